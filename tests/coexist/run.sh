#!/usr/bin/env bash
# Programs that have a SQLite of their own beside ours, in C and in Go, with our archive and with our shared library:
# each side must run on its own copy.
#
#   tests/coexist/run.sh MODEL_DIRECTORY
set -euo pipefail
command -v pkg-config >/dev/null || { echo "skipped: no pkg-config here"; exit 0; }

root=$(cd "$(dirname "$0")/../.." && pwd)
package=$root/target/package
model=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export QNTX_EMBED_ONNXRUNTIME=$QNTX_EMBED_TEST_ONNXRUNTIME LD_LIBRARY_PATH=$package/lib PKG_CONFIG_PATH=$work
for file in qntx_embed qntx_embed-static; do
  sed "s|@PREFIX@|$package|" "$package/lib/pkgconfig/$file.pc" >"$work/$file.pc"
done

cd "$root/tests/coexist"
# mattn/go-sqlite3 carries SQLite's amalgamation; an older one of these has another version than ours, and no package of the
# system is needed.
amalgamation=$(go mod download -json github.com/mattn/go-sqlite3@v1.14.24 |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')
cc -O1 -DSQLITE_THREADSAFE=1 -DSQLITE_OMIT_LOAD_EXTENSION -c "$amalgamation/sqlite3-binding.c" -o "$work/sqlite3.o"

for mode in qntx_embed qntx_embed-static; do
  echo "- C, $mode"
  # shellcheck disable=SC2046 # flags are words
  cc -std=c11 -Wall -Wextra -Wpedantic -Werror c/coexist.c "$work/sqlite3.o" -o "$work/c" -I"$amalgamation" \
    $(pkg-config --cflags --libs $mode) -lpthread -lm
  rm -f "$work"/*.db*
  "$work/c" "$work/ours.db" "$work/theirs.db"
done

for mode in qntx_pkgconfig qntx_static; do
  echo "- Go, $mode"
  go build -tags "rustembeddings,$mode" -o "$work/go" .
  rm -f "$work"/*.db*
  "$work/go" "$model" "$work/ours.db" "$work/theirs.db"
done
