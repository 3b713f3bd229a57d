#!/bin/sh
# Builds the Weaviate server that the tests of a cluster run, once: third_party/weaviate/weaviate-server. It takes some minutes.
# The module proxy checks what it gives (go.sum database), so the version is all there is to pin.
set -eu
version=v1.35.2
cd "$(dirname "$0")/.."
server=third_party/weaviate/weaviate-server
if [ -x "$server" ] && go version -m "$server" | grep -q "weaviate/weaviate[[:space:]]*$version[[:space:]]"; then
  exit 0
fi
echo "building weaviate-server $version (once, some minutes)"
mkdir -p third_party/weaviate
GOFLAGS=-mod=mod GOBIN="$PWD/third_party/weaviate" go install "github.com/weaviate/weaviate/cmd/weaviate-server@$version"
