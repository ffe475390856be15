#!/usr/bin/env bash
# Regenerates src/core/onnx/onnx_pb.ts from onnx.proto. Both tools come by npx, so that the lock stays free of their
# per-platform binaries (some registries lack a few of those).
set -euo pipefail
cd "$(dirname "$0")/../src/core/onnx"
npx --yes --package @bufbuild/buf@1.75.0 --package @bufbuild/protoc-gen-es@2.13.0 -- \
  buf generate --template '{"version":"v2","plugins":[{"local":"protoc-gen-es","out":".","opt":["target=ts","import_extension=js"]}]}' onnx.proto
