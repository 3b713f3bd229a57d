#!/usr/bin/env bash
# Installs into a new directory and uses what is there, and nothing else of the repository, as others will.
#
#   tests/install/run.sh MODEL_DIRECTORY
set -euo pipefail
command -v pkg-config >/dev/null || { echo "skipped: no pkg-config here"; exit 0; }
export LC_ALL=C

root=$(cd "$(dirname "$0")/../.." && pwd)
model=$1
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
prefix=$work/prefix

fail() { echo "install: $*" >&2; exit 1; }
# Found where it was installed, or not at all.
unset QNTX_EMBED_ONNXRUNTIME QNTX_EMBED_TEST_ONNXRUNTIME LD_LIBRARY_PATH
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig

make -s -C "$root" install PREFIX="$prefix" >"$work/log" || { cat "$work/log"; fail "make install failed"; }

echo "- staged with DESTDIR: the same files, and no word of the stage in them"
make -s -C "$root" install PREFIX="$prefix" DESTDIR="$work/stage" >"$work/log"
diff -r "$prefix" "$work/stage$prefix" || fail "DESTDIR changes what is installed"

echo "- nothing installed names the repository"
found=$(grep -rlaF "$root" "$prefix" || true)
[ -z "$found" ] || fail "these files have the path of the repository in them: $found"

echo "- exports and SONAME"
nm -D --defined-only "$prefix/lib/libqntx_embed.so" | awk '{ print $3 }' | sort >"$work/exports"
diff "$root/tests/abi/exports.txt" "$work/exports" ||
  fail "the library's exports differ from tests/abi/exports.txt; where that is meant, change the file and CHANGELOG.md"
nm --defined-only --extern-only "$prefix/lib/libqntx_embed.a" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort >"$work/archive"
diff "$root/tests/abi/exports.txt" "$work/archive" || fail "the archive's global names are not the library's"
readelf -d "$prefix/lib/libqntx_embed.so" | grep -q 'SONAME.*\[libqntx_embed.so.0\]' || fail "the SONAME is not libqntx_embed.so.0"

echo "- C with pkg-config, shared and static"
cp "$root/examples/similarity.c" "$work/"
cd "$work"
warnings="-std=c11 -Wall -Wextra -Wpedantic -Werror"
# shellcheck disable=SC2046,SC2086 # flags are words
cc $warnings similarity.c -o shared $(pkg-config --cflags --libs qntx_embed)
# shellcheck disable=SC2046,SC2086
cc $warnings similarity.c -o static $(pkg-config --cflags --libs qntx_embed-static)
LD_LIBRARY_PATH=$prefix/lib ./shared "$model" cat kitten >shared.txt
# The program has no library beside it: it is told where ONNX Runtime is.
QNTX_EMBED_ONNXRUNTIME=$prefix/lib/qntx_embed ./static "$model" cat kitten >static.txt
grep -q 0.78 shared.txt || fail "the C program says $(cat shared.txt), expected a similarity of 0.78…"
cmp shared.txt static.txt || fail "the static program says something else"
! ldd static | grep -q qntx_embed || fail "the static program wants the shared library"

echo "- Go from a read-only copy elsewhere, with pkg-config and static"
cp -R "$root/go" "$work/module"
chmod -R a-w "$work/module"
mkdir user && cp "$root/tests/install/main.go" user/
cat >user/go.mod <<EOF
module example.com/user

go 1.26.0

require github.com/teranos/libqntx_embed/go v0.0.0

replace github.com/teranos/libqntx_embed/go => $work/module
EOF
cd user
for mode in qntx_pkgconfig qntx_static; do
  GOFLAGS=-mod=mod go build -tags "rustembeddings,$mode" -o "../$mode" .
done
cd ..
LD_LIBRARY_PATH=$prefix/lib ./qntx_pkgconfig "$model" | grep -q '^0.78' || fail "the Go program with pkg-config failed"
QNTX_EMBED_ONNXRUNTIME=$prefix/lib/qntx_embed ./qntx_static "$model" | grep -q '^0.78' || fail "the static Go program failed"

echo "- the command, from elsewhere"
mkdir elsewhere && cd elsewhere
"$prefix/bin/qntx-embed" ingest --model "$model" "$root/examples/corpus.jsonl" 2>/dev/null
"$prefix/bin/qntx-embed" search --model "$model" --json "how do I stop the pump" | grep -q pump-00 || fail "the command found nothing"
grep -q '^.TH QNTX' "$prefix/share/man/man1/qntx-embed.1" || fail "there is no manual page"
if command -v man >/dev/null && command -v groff >/dev/null; then
  said=$(man --warnings -l "$prefix/share/man/man1/qntx-embed.1" 2>&1 >/dev/null)
  [ -z "$said" ] || fail "the manual page is wrong: $said"
fi
cd ..

echo "- uninstall leaves nothing"
make -s -C "$root" uninstall PREFIX="$prefix"
left=$(find "$prefix" ! -type d)
[ -z "$left" ] || fail "make uninstall left $left"
