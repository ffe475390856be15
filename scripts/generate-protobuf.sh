#!/usr/bin/env bash
# Regenerates the *_pb.ts files from the .proto files beside them: the ONNX format and the Spark Connect protocol. Both
# tools come by npx, so that the lock stays free of their per-platform binaries (some registries lack a few of those).
set -euo pipefail
cd "$(dirname "$0")/../src"
template='{"version":"v2","plugins":[{"local":"protoc-gen-es","out":".","opt":["target=ts","import_extension=js"]}]}'
for folder in core/onnx etl/spark/connect; do
  (cd "$folder" && npx --yes --package @bufbuild/buf@1.75.0 --package @bufbuild/protoc-gen-es@2.13.0 -- buf generate --template "$template" .)
done
