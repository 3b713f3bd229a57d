# The only door to build, run and test this: `make help` lists what there is. Nothing in it is newer than GNU make 3.81.

LISTEN ?= 127.0.0.1:8787
CARGO_FLAGS ?=
# Seconds for each fuzzer.
FUZZ ?= 60

# Where `make install` puts things; DESTDIR is put before it, for those who make packages.
PREFIX ?= /usr/local
DESTDIR ?=

# A model directory or an ONNX Runtime library that is there already; nothing is fetched then (tools/setup.py).
# Absolute, because recipes change directory.
ifneq ($(QNTX_EMBED_MODEL),)
override QNTX_EMBED_MODEL := $(abspath $(QNTX_EMBED_MODEL))
export QNTX_EMBED_MODEL
endif
ifneq ($(QNTX_EMBED_ONNXRUNTIME),)
override QNTX_EMBED_ONNXRUNTIME := $(abspath $(QNTX_EMBED_ONNXRUNTIME))
export QNTX_EMBED_ONNXRUNTIME
endif
MODEL := $(if $(QNTX_EMBED_MODEL),$(QNTX_EMBED_MODEL),$(CURDIR)/models/all-MiniLM-L6-v2)
# Its version is in pins.json only, so the shell finds the name; setup leaves exactly one.
FETCHED_ONNXRUNTIME := third_party/onnxruntime/libonnxruntime.*
ONNXRUNTIME := $(if $(QNTX_EMBED_ONNXRUNTIME),$(QNTX_EMBED_ONNXRUNTIME),$(CURDIR)/$$(echo $(FETCHED_ONNXRUNTIME)))

# cgo links to this place, whatever the user's own setting is.
export CARGO_TARGET_DIR := $(CURDIR)/target
OUT := target/release
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
# What is installed, as it will lie below PREFIX.
PACKAGE := target/package
# The archive that lets a program have another SQLite beside ours.
STATIC := $(PACKAGE)/lib/libqntx_embed.a

# go does not see changes of a header outside its module, and would keep objects compiled from the old one.
HEADER_SUM := $$(cksum <../include/qntx_embed.h | cut -d' ' -f1)
GO := cd go && CGO_CFLAGS="$${CGO_CFLAGS:--g -O2} -DQNTX_EMBED_HEADER=$(HEADER_SUM)" go
GO_PURE := cd go && CGO_ENABLED=0 go
TAG := -tags rustembeddings
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

TEST_ENV := export QNTX_EMBED_TEST_MODEL="$(MODEL)" QNTX_EMBED_TEST_ONNXRUNTIME="$(ONNXRUNTIME)";
WEAVIATE_ENV := export QNTX_EMBED_TEST_WEAVIATE="$(CURDIR)/third_party/weaviate/weaviate-server";

C11 := $(CC) -std=c11
CXX17 := $(CXX) -std=c++17 -x c++
C_WARNINGS := -Wall -Wextra -Wpedantic -Werror -Iinclude
C_LINK := -L$(OUT) -lqntx_embed -Wl,-rpath,"$(CURDIR)/$(OUT)" -pthread -lm
C_EXAMPLES := $(wildcard examples/*.c)
C_PROGRAMS := $(C_EXAMPLES:%.c=target/c/%.c11) $(C_EXAMPLES:%.c=target/c/%.c++17) \
              $(patsubst %.c,target/c/%.c11,$(wildcard tests/c/*.c)) \
              $(patsubst %.c,target/c/%.old,$(wildcard tests/abi/*/*.c))

say = @printf '\n== %s\n' "$(1)"

.DEFAULT_GOAL := help
.NOTPARALLEL: # cargo and go use all cores on their own
.PHONY: help setup lib build dev package install uninstall licences test test-all test-rust test-c test-go test-docs test-clients \
        test-openapi test-cluster test-browser test-install test-packaging test-coexist test-sqlite test-sanitize test-miri test-memory test-adapters test-fuzz \
        test-avx512 soak bench bench-search bench-server lint header fmt clean distclean tools

help: ## Shows this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  make dev LISTEN=127.0.0.1:9000         listen elsewhere"
	@echo "  make dev QNTX_EMBED_MODEL=DIR          use a model directory that is there already"
	@echo "  make dev QNTX_EMBED_ONNXRUNTIME=FILE   use an ONNX Runtime library that is there already"

setup: ## Fetches and checks the model and ONNX Runtime (pins.json); nothing to do when they are there
	@python3 tools/setup.py

lib: tools setup ## Builds the native library: target/release/libqntx_embed.so and .a, ONNX Runtime beside them
	$(call say,native library)
	@cargo build --release $(CARGO_FLAGS)
# The name that programs are linked to (its SONAME); on macOS nothing asks for it.
	@ln -sf libqntx_embed.so $(OUT)/libqntx_embed.so.0
ifeq ($(QNTX_EMBED_ONNXRUNTIME),)
# Removed before copied: a server that runs has the old file mapped, and must keep it.
	@for file in $(FETCHED_ONNXRUNTIME); do \
	  cmp -s "$$file" "$(OUT)/$${file##*/}" || { rm -f $(OUT)/libonnxruntime.* && cp "$$file" $(OUT)/; }; \
	done
endif

# sqlite-vec once more, of the version that the library has: this copy is compiled to work on the host's SQLite.
	@python3 tools/sqlite_extension.py $(OUT)

build: lib ## Builds everything: the library, and bin/qntx-embed
	$(call say,bin/qntx-embed)
	@$(GO) build $(TAG) -o ../bin/qntx-embed ./cmd/qntx-embed

package: build ## Gathers in target/package what `make install` installs
	$(call say,$(PACKAGE))
	@rm -rf $(PACKAGE)
	@mkdir -p $(PACKAGE)/bin $(PACKAGE)/include $(PACKAGE)/lib/pkgconfig $(PACKAGE)/lib/qntx_embed \
	  $(PACKAGE)/share/man/man1 $(PACKAGE)/share/doc/qntx_embed
	@cp include/qntx_embed.h $(PACKAGE)/include/
	@cp $(OUT)/libqntx_embed.so $(PACKAGE)/lib/libqntx_embed.so.$(VERSION)
	@ln -s libqntx_embed.so.$(VERSION) $(PACKAGE)/lib/libqntx_embed.so.0
	@ln -s libqntx_embed.so.0 $(PACKAGE)/lib/libqntx_embed.so
	@cp $(OUT)/libqntx_embed_sqlite.so $(PACKAGE)/lib/
	@tools/localise.sh $(OUT)/libqntx_embed.a $(STATIC)
	@cp $(ONNXRUNTIME) $(PACKAGE)/lib/qntx_embed/
	@cp LICENSE-* NOTICE third_party/onnxruntime/LICENSE third_party/onnxruntime/ThirdPartyNotices.txt $(PACKAGE)/share/doc/qntx_embed/
	@for file in qntx_embed qntx_embed-static; do \
	  sed 's|@VERSION@|$(VERSION)|' tools/pkgconfig/$$file.pc.in >$(PACKAGE)/lib/pkgconfig/$$file.pc; \
	done
# Linked with the archive, so that it is found and run from anywhere. -trimpath: no path of this machine is in it.
	@sed 's|@PREFIX@|$(CURDIR)/$(PACKAGE)|' tools/pkgconfig/qntx_embed-static.pc.in >target/qntx_embed-static.pc
	@PKG_CONFIG_PATH="$(CURDIR)/target" && export PKG_CONFIG_PATH && \
	  $(GO) build $(TAG),qntx_static -trimpath -ldflags "-s -w" -o ../$(PACKAGE)/bin/qntx-embed ./cmd/qntx-embed
	@cd $(PACKAGE) && bin/qntx-embed help man >share/man/man1/qntx-embed.1

install: ## Installs library, header, command and manual below PREFIX (/usr/local)
# As root there is often no cargo; what was packaged before is taken then.
	@if command -v cargo >/dev/null; then $(MAKE) package; fi
	@[ -d $(PACKAGE)/lib ] || { echo "make: nothing is built yet: run 'make package' first, then 'make install'" >&2; exit 1; }
	@cd $(PACKAGE) && find . -type d | while read -r dir; do install -d "$(DESTDIR)$(PREFIX)/$$dir"; done
	@cd $(PACKAGE) && find . -type f | while read -r file; do \
	  mode=644; [ -x "$$file" ] && mode=755; \
	  install -m $$mode "$$file" "$(DESTDIR)$(PREFIX)/$$file" || exit 1; \
	done
	@cd $(PACKAGE) && find . -type l | while read -r link; do \
	  ln -sf "$$(readlink "$$link")" "$(DESTDIR)$(PREFIX)/$$link" || exit 1; \
	done
	@for file in $(DESTDIR)$(PREFIX)/lib/pkgconfig/qntx_embed.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig/qntx_embed-static.pc; do \
	  sed 's|@PREFIX@|$(PREFIX)|' "$$file" >"$$file.part" && mv "$$file.part" "$$file" || exit 1; \
	done
	@echo "installed below $(DESTDIR)$(PREFIX)"

uninstall: ## Removes what `make install` with the same PREFIX has put there
	@rm -f $(addprefix $(DESTDIR)$(PREFIX)/,bin/qntx-embed include/qntx_embed.h lib/libqntx_embed.so lib/libqntx_embed.so.* lib/libqntx_embed_sqlite.so \
	  lib/libqntx_embed.a lib/pkgconfig/qntx_embed.pc lib/pkgconfig/qntx_embed-static.pc share/man/man1/qntx-embed.1)
	@rm -rf $(DESTDIR)$(PREFIX)/lib/qntx_embed $(DESTDIR)$(PREFIX)/share/doc/qntx_embed

licences: ## Writes NOTICE: what is shipped, and under which licences
	@python3 tools/licences.py --write

dev: build ## Starts the server at LISTEN (127.0.0.1:8787) with the example corpus in var/dev.db
	$(call say,example corpus)
	@mkdir -p var
	@bin/qntx-embed ingest --model "$(MODEL)" --db var/dev.db examples/corpus.jsonl
	$(call say,server (Ctrl-C ends it))
	@printf '%s\n' "  page    http://$(LISTEN)/  (search, see the map, drop a file of lines or JSON Lines on it)" "  routes  http://$(LISTEN)/openapi.json, and docs/api.md says more" "" "Try in another shell:" "" \
	  "  curl 'http://$(LISTEN)/api/search/semantic?q=how+do+I+stop+the+pump'" \
	  "  curl --json '{\"text\": \"The night train leaves from platform 4.\"}' -X PUT http://$(LISTEN)/api/embeddings/sources/note/1" \
	  "  curl 'http://$(LISTEN)/api/search/semantic?q=when+does+the+train+leave&limit=1'" \
	  "  curl http://$(LISTEN)/api/embeddings/info" ""
	@exec bin/qntx-embed serve --model "$(MODEL)" --db var/dev.db --listen "$(LISTEN)"

test: build lint test-rust test-c test-go test-docs test-clients test-openapi ## Runs every check and test there is

test-rust: lib ## Tests the engine, the store and the C ABI from Rust
	$(call say,Rust tests)
	@$(TEST_ENV) cargo test $(CARGO_FLAGS)

test-c: lib $(C_PROGRAMS) ## Compiles the header, examples/*.c and tests/c/*.c strictly, and runs the programs
	$(call say,C header alone: C11, C17 and C++17)
	@for compiler in $(CC) clang; do \
	  command -v $$compiler >/dev/null || { echo "skipped: no $$compiler here"; continue; }; \
	  for standard in "c -std=c11" "c -std=c17" "c++ -std=c++17"; do \
	    $$compiler -x $$standard $(C_WARNINGS) -fsyntax-only include/qntx_embed.h || exit 1; \
	  done; \
	done
	$(call say,C programs)
	@$(TEST_ENV) for program in $(C_PROGRAMS); do \
	  echo "$$program"; "$$program" "$(MODEL)" || { echo "$$program: failed with exit code $$?"; exit 1; }; \
	done

target/c/%.c11: %.c include/qntx_embed.h $(wildcard tests/c/*.h) | lib
	@mkdir -p $(@D)
	@$(C11) $(C_WARNINGS) $< -o $@ $(C_LINK)

# Programs of a release, as they were compiled then: with its header.
target/c/%.old: %.c $(wildcard tests/abi/*/qntx_embed.h) | lib
	@mkdir -p $(@D)
	@$(C11) $(filter-out -Iinclude,$(C_WARNINGS)) -I$(dir $<) $< -o $@ $(C_LINK)

target/c/%.c++17: %.c include/qntx_embed.h $(wildcard tests/c/*.h) | lib
	@mkdir -p $(@D)
	@$(CXX17) $(C_WARNINGS) $< -o $@ $(C_LINK)

test-go: build ## Tests the Go module, with the tag (and the race detector) and without tag and cgo
	$(call say,Go tests with the native library)
# The migration has a table of FTS5, which mattn/go-sqlite3 (go/sqliteext) has with the second tag.
# -count=1: go's test cache does not see that the native library has changed.
	@$(TEST_ENV) $(GO) test $(TAG),sqlite_fts5 -race -count=1 ./...
	$(call say,Go tests without it)
	@$(GO_PURE) vet ./...
	@$(TEST_ENV) $(GO_PURE) test ./...
	$(call say,examples/go-service with the native library and without it)
	@$(GO) -C ../examples/go-service vet $(TAG) .
	@$(TEST_ENV) export QNTX_EMBED_ONNXRUNTIME="$(ONNXRUNTIME)"; $(GO) -C ../examples/go-service test $(TAG) -race -count=1 .
	@$(GO_PURE) -C ../examples/go-service vet .
	@$(TEST_ENV) $(GO_PURE) -C ../examples/go-service test .

# What takes long, or needs more than `make test` does; .ci/run reads this line too.
LONG := test-install test-coexist test-sqlite test-sanitize test-memory test-adapters test-fuzz test-browser test-packaging soak-minute test-cluster test-miri test-avx512

test-all: ## Runs every check and the long ones: test with 200 killed processes instead of 20, those below, a minute of soak
	@QNTX_EMBED_TEST_KILLS=200 $(MAKE) --no-print-directory test $(LONG)

test-docs: build ## Runs the README's examples, and the commands of the guides, as they stand there
	$(call say,README)
	@$(TEST_ENV) python3 tests/readme.py
	$(call say,docs/migration.md)
	@$(TEST_ENV) python3 tests/migration.py
	$(call say,docs/api.md and docs/tuning.md)
	@$(TEST_ENV) python3 tests/guides.py docs/api.md docs/tuning.md

test-install: package ## Installs into a new place, and builds and runs C and Go programs with that alone
	$(call say,installed)
	@$(TEST_ENV) tests/install/run.sh "$(MODEL)"

test-packaging: package ## Checks packaging/: the unit by systemd-analyze, the Containerfile by hadolint and by doing its steps
	$(call say,packaging)
	@python3 tests/packaging/run.py

test-coexist: package ## Runs C and Go programs that have another SQLite beside ours
	$(call say,beside another SQLite)
	@$(TEST_ENV) tests/coexist/run.sh "$(MODEL)"

test-sqlite: lib ## Loads the extension into the sqlite3 shell and Python's apsw
	$(call say,in the host's own SQLite)
	@$(TEST_ENV) tests/sqlite/run.sh "$(MODEL)"

test-sanitize: lib ## Runs the C programs under sanitizers and valgrind
	$(call say,sanitizers and valgrind)
	@$(TEST_ENV) tests/sanitize/run.sh "$(MODEL)"

# Those that need no library in C and are short, because miri is a thousand times slower: what crosses the ABI, and kernels with raw
# pointers, for AVX2. The build compiles C all the same: without care.
test-miri: ## Runs tests of pure Rust under miri, which finds undefined behaviour that nothing shows
	$(call say,miri)
	@if cargo +nightly miri --version >/dev/null 2>&1; then \
	  export MIRIFLAGS=-Zmiri-disable-isolation CARGO_TARGET_DIR=$(CURDIR)/target/miri CFLAGS=-O0 CARGO_PROFILE_DEV_DEBUG=false; \
	  [ "$$(uname -m)" != x86_64 ] || export RUSTFLAGS=-Ctarget-cpu=x86-64-v3; \
	  cargo +nightly miri test $(CARGO_FLAGS) --quiet --test pointers && \
	  cargo +nightly miri test $(CARGO_FLAGS) --quiet --lib -- blob:: kernel::transpose kernel::quantised::tests::zeros \
	    kernel::quantised::tests::a_row; \
	else \
	  echo "skipped: no miri here (rustup component add --toolchain nightly miri rust-src)"; \
	fi

test-fuzz: setup ## Runs each fuzzer, of the library and of the server's routes, for FUZZ seconds (60)
	$(call say,fuzzers)
	@$(TEST_ENV) fuzz/run.sh $(FUZZ)
	@for target in FuzzBodies FuzzQueries; do \
	  echo "- $$target, $(FUZZ) seconds"; \
	  ($(GO_PURE) test ./server -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ)s) || exit 1; \
	done

test-memory: build ## Tests Go's side with the collector always running, pointers checked and handles counted; govulncheck
	$(call say,Go tests with cgocheck2 and a collection before each call; no handle may be left)
	@$(TEST_ENV) export GOGC=1 GOEXPERIMENT=cgocheck2; $(GO) test $(TAG),sqlite_fts5,qntx_debug -count=1 ./internal/capi ./embeddings ./sqliteext ./server
	$(call say,govulncheck)
	@tools/govulncheck.sh

test-adapters: lib ## Runs chromem-go and langchaingo on our vectors, in one process
	$(call say,in other libraries)
	@$(TEST_ENV) for module in tests/adapters/*; do \
	  (cd "$$module" && go test -tags rustembeddings -count=1 ./...) || exit 1; \
	done

test-clients: build ## Drives the server with clients of others: the openai package, openai-go, langchaingo
	$(call say,clients of others)
	@$(TEST_ENV) python3 tests/clients/run.py openai

test-openapi: build ## Drives the server with what openapi.json says, right and wrong (schemathesis)
	$(call say,openapi.json)
	@$(TEST_ENV) python3 tests/clients/run.py openapi

test-cluster: build ## Tests the store on Weaviate with a cluster of three nodes on this machine (builds the server once)
	@tools/weaviate.sh
	$(call say,a Weaviate cluster)
	@$(TEST_ENV) $(WEAVIATE_ENV) $(GO) test $(TAG) -count=1 -timeout 30m ./store/...
	@$(TEST_ENV) $(WEAVIATE_ENV) $(GO) test $(TAG) -count=1 -timeout 10m \
	  -run 'TestTwoServersBehindOneAddressAnswerAsOne|TestACopyGoesToAClusterAndBack' ./cmd/qntx-embed

test-browser: build ## Drives the page in a headless Chromium, which must be installed; pictures in target/browser
	$(call say,the page)
	@$(GO_PURE) build -o ../target/browser/qntx-embed-stub ./cmd/qntx-embed
	@$(TEST_ENV) python3 tests/browser/run.py $(WORD)

test-avx512: tools ## Tests the AVX-512 VNNI kernels in an emulator, on a machine of any kind (needs Debian 12's apt)
	$(call say,kernels on an emulated processor with AVX-512 VNNI)
	@if ! tests/avx512/setup.sh; then echo "skipped: no emulator here, because apt does not give it"; exit 0; fi; \
	cargo test $(CARGO_FLAGS) --lib --no-run --message-format=json 2>/dev/null | python3 -c \
	  "import json, sys; print([m['executable'] for m in map(json.loads, sys.stdin) if m.get('executable')][0])" >target/avx512/program && \
	tests/avx512/run.sh "$$(cat target/avx512/program)" --test-threads=1 kernel::quantised

soak: build ## Loads the server for 10 minutes: broken requests, hang-ups, slow readers, kill -9 (SOAK='-duration 60s')
	$(call say,soak)
	@$(TEST_ENV) go -C tests/soak run . -server "$(CURDIR)/bin/qntx-embed" -model "$(MODEL)" $(or $(SOAK),-duration 10m -settle 1m)

.PHONY: soak-minute
soak-minute:
	@$(MAKE) --no-print-directory soak SOAK='-duration 60s -settle 20s'

bench: tools setup ## Measures speed beside other libraries, an hour (BENCH=--quick: 5 minutes): docs/benchmarks*.md
	@python3 benches/run.py --model "$(MODEL)" --onnxruntime "$(ONNXRUNTIME)" $(BENCH)
# The other options are those of embedding.
	@python3 benches/search_run.py $(filter --quick --report,$(BENCH))

bench-search: tools ## Measures search alone, 20 minutes (BENCH=--quick: 1 minute): docs/benchmarks-search.md
	@python3 benches/search_run.py $(BENCH)

bench-server: build ## Measures what HTTP leaves of the engine's rate: 64 clients of single texts, 2 minutes (docs/performance.md)
	@$(TEST_ENV) $(GO) -C ../benches/served run $(TAG) . -server "$(CURDIR)/bin/qntx-embed" -model "$(MODEL)" \
	  -corpus "$(CURDIR)/examples/corpus.jsonl" -onnxruntime "$$QNTX_EMBED_TEST_ONNXRUNTIME" $(BENCH)

lint: lib ## Checks format and lints of Rust and Go; a warning is an error
	$(call say,format)
	@cargo fmt --check
	@files=$$(gofmt -l go examples tests benches) && [ -z "$$files" ] || { echo "not as gofmt has it (make fmt): $$files"; exit 1; }
	$(call say,clippy)
	@cargo clippy --all-targets $(CARGO_FLAGS) -- -D warnings
	$(call say,go vet and staticcheck)
	@$(GO) vet $(TAG) ./...
	@$(GO_PURE) vet ./...
	@$(GO) run $(STATICCHECK) $(TAG) ./...
	@$(GO_PURE) run $(STATICCHECK) ./...
	@$(GO) -C ../tests/soak vet .
	@$(GO) -C ../benches/served vet $(TAG) .
	$(call say,licences)
	@python3 tools/licences.py

header: ## Writes include/qntx_embed.h from src/ffi
	@QNTX_EMBED_WRITE_HEADER=1 cargo test $(CARGO_FLAGS) --test header

fmt: ## Formats Rust and Go
	@cargo fmt
	@gofmt -w go examples tests benches

clean: ## Removes what was built; downloads and databases stay
	@rm -rf target bin

distclean: clean ## Removes downloads and the example database too
	@rm -rf var third_party/onnxruntime third_party/.onnxruntime.* models/all-MiniLM-L6-v2 models/.all-MiniLM-L6-v2.*

tools:
	@for tool in cargo go $(CC) $(CXX) python3; do \
	  command -v $$tool >/dev/null || { echo "make: $$tool is needed, and not installed (see README.md)" >&2; exit 1; }; \
	done
