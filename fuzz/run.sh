#!/usr/bin/env bash
# Runs each fuzzer for some time, from its seeds and from what earlier runs have found.
#
#   fuzz/run.sh [SECONDS [TARGET...]]
#
# What makes one fail is written to target/fuzz/artifacts: make it a test of its own, then a seed in fuzz/seeds.
set -euo pipefail

cd "$(dirname "$0")"
seconds=${1:-60}
shift || true
[ $# -gt 0 ] || set -- blob filter words model text ffi

root=$(cd .. && pwd)
# The sanitizers are in the stable compiler, behind a switch.
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$root/target/fuzz/build
# ONNX Runtime keeps what it made until the process ends.
export ASAN_OPTIONS=detect_odr_violation=0:detect_leaks=0
target=x86_64-unknown-linux-gnu
# What cargo-fuzz does, without a tool to install: coverage for libFuzzer, and AddressSanitizer.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Zsanitizer=address \
-Cdebug-assertions -Ccodegen-units=1"
cargo build --release --quiet --target $target

for name in "$@"; do
  echo "- $name, $seconds seconds"
  corpus=$root/target/fuzz/corpus/$name
  mkdir -p "$corpus" "$root/target/fuzz/artifacts" "seeds/$name"
  log=$root/target/fuzz/$name.log
  "$CARGO_TARGET_DIR/$target/release/$name" "$corpus" "seeds/$name" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=4096 \
    -artifact_prefix="$root/target/fuzz/artifacts/$name-" -print_final_stats=1 >"$log" 2>&1 ||
    { tail -40 "$log"; echo "fuzz: $name failed; the input is in target/fuzz/artifacts" >&2; exit 1; }
  grep -E 'number_of_executed_units|new_units_added' "$log" | sed 's/^stat::/  /'
done
