#!/usr/bin/env bash
# The C programs under AddressSanitizer, LeakSanitizer, UndefinedBehaviorSanitizer and valgrind. Before that, errors are
# planted: what is not caught there would not be caught anywhere.
#
#   tests/sanitize/run.sh MODEL_DIRECTORY
set -euo pipefail

cd "$(dirname "$0")/../.."
model=$1
out=target/sanitize
mkdir -p $out
fail() { echo "sanitize: $*" >&2; exit 1; }

warnings="-std=c11 -Wall -Wextra -Wpedantic -Werror -Wno-maybe-uninitialized -Iinclude"
link="-Ltarget/release -lqntx_embed -Wl,-rpath,$PWD/target/release -pthread -lm"
sanitize="-g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
# A number that is far too large is refused because malloc refuses it (tests/c/misuse.c).
export ASAN_OPTIONS=detect_leaks=1:halt_on_error=1:allocator_may_return_null=1 LSAN_OPTIONS=suppressions=$PWD/tests/sanitize/lsan.supp:print_suppressions=0
valgrind="valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite --fair-sched=yes
  --suppressions=tests/sanitize/valgrind.supp"

if ! command -v valgrind >/dev/null; then echo "skipped: no valgrind here, sanitizers alone"; valgrind=; fi

echo "- planted errors are caught"
# shellcheck disable=SC2086 # flags are words
cc $warnings $sanitize tests/sanitize/planted.c -o $out/planted $link
# shellcheck disable=SC2086
cc $warnings -g tests/sanitize/planted.c -o $out/planted-plain $link
caught() { # what is planted, the sanitizer's word for it, the program
  local said
  said=$("${@:3}" "$1" 2>&1) && fail "$1 was not caught by ${*:3}"
  grep -q "$2" <<<"$said" || fail "$1 by ${*:3}: expected '$2', got: $said"
}
# The library's memory is malloc's, so AddressSanitizer knows its bounds.
caught overflow heap-buffer-overflow $out/planted
caught leak "detected memory leaks" $out/planted
caught undefined "signed integer overflow" $out/planted
if [ -n "$valgrind" ]; then
  # shellcheck disable=SC2086
  caught overflow "Invalid write" $valgrind $out/planted-plain
  # shellcheck disable=SC2086
  caught leak "definitely lost" $valgrind $out/planted-plain
  # shellcheck disable=SC2086
  caught uninitialised "uninitialised value" $valgrind $out/planted-plain
fi

for source in tests/c/*.c examples/*.c; do
  name=$(basename "$(dirname "$source")")-$(basename "$source" .c)
  # It ends with everything open, which is a leak here, and measures memory, which AddressSanitizer keeps.
  [ "$name" != c-host ] || continue
  echo "- $name, AddressSanitizer and UndefinedBehaviorSanitizer"
  # shellcheck disable=SC2086
  cc $warnings $sanitize "$source" -o "$out/$name" $link
  "$out/$name" "$model" >"$out/$name.log" 2>&1 || { cat "$out/$name.log"; fail "$name failed"; }
done

[ -n "$valgrind" ] || exit 0
# valgrind runs code some 30 times slower: the programs that need no more than a tiny model. (Not misuse, which reads what was freed.)
for name in abi blob log manifest options store; do
  echo "- $name, valgrind"
  # shellcheck disable=SC2086
  cc $warnings -g "tests/c/$name.c" -o "$out/$name-plain" $link
  # shellcheck disable=SC2086
  $valgrind "$out/$name-plain" "$model" >"$out/$name.log" 2>&1 || { cat "$out/$name.log"; fail "$name failed under valgrind"; }
done
