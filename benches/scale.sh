#!/bin/sh
# Measures a Weaviate cluster of three nodes on this machine beside the SQLite file, with the same rows and queries, and prints
# the tables of docs/scale.md: benches/scale.sh [ROWS...] (100000). Needs `make build`; a million rows take hours on two cores, and
# with QNTX_EMBED_TEST_SCALE_REPLICAS=1, each row on one node and not on three, a third of that.
set -eu
cd "$(dirname "$0")/.."
tools/weaviate.sh
export QNTX_EMBED_TEST_WEAVIATE="$PWD/third_party/weaviate/weaviate-server"
header=$(cksum <include/qntx_embed.h | cut -d' ' -f1)
cd go
for rows in "${@:-100000}"; do
  QNTX_EMBED_TEST_SCALE=$rows CGO_CFLAGS="${CGO_CFLAGS:--g -O2} -DQNTX_EMBED_HEADER=$header" \
    go test -v -tags rustembeddings -count=1 -timeout 12h -run '^TestScale$' ./store/weaviate
done
