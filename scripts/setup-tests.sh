#!/usr/bin/env bash
# What the end-to-end tests need beside Node: a Chromium (Debian's, if none is there) and a Python with ONNX Runtime,
# onnx and scikit-learn in .venv, with SeaweedFS as an object store; and, for the crash tests, strace and libfaketime.
# Does nothing where all is there already.
set -euo pipefail
cd "$(dirname "$0")/.."
# Some crash tests are skipped where these are missing.
missing=()
for tool in strace faketime; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
if [ "${#missing[@]}" -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null; } ||
    echo "setup-tests: crash tests that need ${missing[*]} are skipped" >&2
fi
if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null && ! command -v google-chrome >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-dejavu-core >/dev/null
  else
    echo "setup-tests: install Chromium (Debian: apt-get install chromium), then run this again" >&2
    exit 1
  fi
fi
wanted="$(cat test/requirements.txt)"
if [ ! -x .venv/bin/python ] || [ "$(cat .venv/millrace-requirements 2>/dev/null)" != "$wanted" ]; then
  rm -rf .venv
  python3 -m venv .venv
  .venv/bin/pip install -qq --disable-pip-version-check -r test/requirements.txt
  printf '%s' "$wanted" >.venv/millrace-requirements
fi
