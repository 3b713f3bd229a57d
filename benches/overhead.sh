#!/usr/bin/env bash
# What Go adds to the C call: batches of 1,000 short texts in both, one after another, several times. With the vectors in the cache
# a call is short enough for the difference to be seen.
#
#   benches/overhead.sh MODEL_DIRECTORY ONNXRUNTIME [TIMES]     after make lib
set -euo pipefail
cd "$(dirname "$0")/.."
model=$1 onnxruntime=$2 times=${3:-3} rounds=9

mkdir -p target/c
cc -std=c11 -O2 -Wall -Wextra -Wpedantic -Werror -Iinclude benches/overhead.c -o target/c/overhead -Ltarget/release -lqntx_embed \
  -Wl,-rpath,"$PWD/target/release"
export QNTX_EMBED_TEST_MODEL=$model QNTX_EMBED_TEST_ONNXRUNTIME=$onnxruntime
(cd go && go test -tags rustembeddings -c -o ../target/c/overhead.go ./embeddings)

for _ in $(seq "$times"); do
  read -r c_computed c_known < <(target/c/overhead "$model" "$onnxruntime" $rounds)
  read -r go_computed go_known < <(cd go/embeddings && ../../target/c/overhead.go -test.run '^$' -test.bench BenchmarkBatch \
    -test.benchtime ${rounds}x | awk '/^BenchmarkBatch/ { for (i = 1; i < NF; i++) v[$(i + 1)] = $i; print v["us-computed"], v["us-known"] }')
  awk -v c="$c_computed" -v k="$c_known" -v g="$go_computed" -v h="$go_known" 'BEGIN {
    printf "C %.1f ms, of that known %.2f ms; Go %.1f ms, known %.2f ms: Go adds %.2f ms, %.2f %% of the C call\n",
      c / 1000, k / 1000, g / 1000, h / 1000, (h - k) / 1000, 100 * (h - k) / c }'
done
