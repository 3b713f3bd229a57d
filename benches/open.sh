#!/usr/bin/env bash
# How long opening a model takes in new processes.
#
#   benches/open.sh MODEL_DIRECTORY ONNXRUNTIME [TIMES]     after make lib
set -euo pipefail
cd "$(dirname "$0")/.."
model=$1 times=${3:-12}
export QNTX_EMBED_ONNXRUNTIME=$2

mkdir -p target/c
cc -std=c11 -O2 -Wall -Wextra -Wpedantic -Werror -Iinclude benches/open.c -o target/c/open -Ltarget/release -lqntx_embed \
  -Wl,-rpath,"$PWD/target/release"
for _ in $(seq "$times"); do
  target/c/open "$model"
done
