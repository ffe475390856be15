#!/usr/bin/env bash
# Installs the Python servers that bench/serving.ts compares with, each in an environment of its own below
# .venv-bench-NAME. One that does not install leaves the reason in .venv-bench-NAME.txt, and the benchmark says it.
#   bash bench/peers/setup-serving.sh [NAME…]
set -uo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3.11}
declare -A packages=(
  [fastapi]="fastapi==0.165.0 uvicorn==0.54.0 uvloop httptools orjson"
  [mlserver]="mlserver"
  [bentoml]="bentoml"
  [ray]="ray[serve]==2.60.0 orjson"
)
[ $# -gt 0 ] || set -- fastapi mlserver bentoml ray
for name in "$@"; do
  folder=.venv-bench-$name
  rm -f "$folder.txt"
  [ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
  # shellcheck disable=SC2086 # several packages
  if ! "$folder/bin/pip" install --quiet ${packages[$name]} onnxruntime==1.32.0 numpy==2.4.6 2>"$folder.log"; then
    grep -v '^WARNING' "$folder.log" | tail -5 >"$folder.txt"
  fi
  rm -f "$folder.log"
done
