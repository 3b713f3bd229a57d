#!/usr/bin/env bash
# Runs each fuzzer for some time, one on each processor, from its seeds and from what earlier runs have found.
#
#   fuzz/run.sh [SECONDS [TARGET...]]
#
# What makes one fail is written to target/fuzz/artifacts: make it a test of its own, then a seed in fuzz/seeds.
set -euo pipefail

cd "$(dirname "$0")"
export seconds=${1:-60}
shift || true
[ $# -gt 0 ] || set -- blob filter words config safetensors tokenizer text ffi

root=$(cd .. && pwd)
target=$(rustc -vV | sed -n 's/^host: //p')
# The sanitizers are in the stable compiler, behind a switch.
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$root/target/fuzz/build
# ONNX Runtime keeps what it made until the process ends.
export ASAN_OPTIONS=detect_odr_violation=0:detect_leaks=0:allocator_may_return_null=1
# What cargo-fuzz does, without a tool to install: coverage for libFuzzer, and AddressSanitizer.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Zsanitizer=address \
-Cdebug-assertions"
cargo build --release --quiet --locked --target "$target"

export found=$root/target/fuzz programs=$CARGO_TARGET_DIR/$target/release
fuzz() {
  local name=$1 log=$found/$1.log
  mkdir -p "$found/corpus/$name" "$found/artifacts" "seeds/$name"
  "$programs/$name" "$found/corpus/$name" "seeds/$name" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=4096 \
    -artifact_prefix="$found/artifacts/$name-" -print_final_stats=1 >"$log" 2>&1 ||
    { tail -40 "$log"; echo "fuzz: $name failed; the input is in target/fuzz/artifacts" >&2; return 1; }
  echo "- $name, $seconds seconds: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs," \
    "$(sed -n 's/^stat::new_units_added: *//p' "$log") of them new"
}
export -f fuzz
printf '%s\n' "$@" | xargs -P "$(getconf _NPROCESSORS_ONLN)" -I NAME bash -euo pipefail -c 'fuzz NAME'
