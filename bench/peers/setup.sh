#!/usr/bin/env bash
# Makes the Python environments of the peers: bench/peers/setup.sh NAME..., each in .venv-bench-NAME of the project.
# Names: torch, dbos, prefect, dagster, temporal, mlflow, metaflow, zenml, etl, spark. One that does not install is said so on the
# last line and leaves its reason in .venv-bench-NAME.txt, which the benchmarks put into their results.
set -uo pipefail
cd "$(dirname "$0")/../.."
packages() {
  case "$1" in
    torch) echo torch==2.13.0 numpy==2.4.6 ;;
    dbos) echo dbos ;;
    prefect) echo prefect ;;
    dagster) echo dagster ;;
    temporal) echo temporalio ;;
    mlflow) echo mlflow==3.17.2 ;;
    metaflow) echo metaflow ;;
    zenml) echo zenml ;;
    etl) echo pandas==3.1.1 polars==2.1.0 pyarrow==26.0.1 numpy==2.4.6 ;;
    spark) echo pyspark==4.3.0 numpy==2.4.6 ;; # and a Java: apt-get install openjdk-17-jre-headless
    *) return 1 ;;
  esac
}
failed=()
for name in "$@"; do
  wanted="$(packages "$name")" || { echo "setup: no peer is called $name" >&2; exit 2; }
  folder=".venv-bench-$name"
  [ "$(cat "$folder/wanted" 2>/dev/null)" = "$wanted" ] && continue
  rm -rf "$folder" "$folder.txt"
  # The CPU build where PyTorch's own index can be reached; else what PyPI has.
  index=()
  if [ "$name" = torch ] && curl -sfm 5 -o /dev/null https://download.pytorch.org/whl/cpu/torch/; then
    index=(--extra-index-url https://download.pytorch.org/whl/cpu)
    wanted="${wanted/torch==2.13.0/torch==2.13.0+cpu}"
  fi
  # shellcheck disable=SC2086
  if python3 -m venv "$folder" && "$folder/bin/pip" install -q --disable-pip-version-check "${index[@]}" $wanted 2>"$folder.txt"; then
    rm -f "$folder.txt"
    packages "$name" >"$folder/wanted"
  else
    grep -m1 '^ERROR' "$folder.txt" >"$folder.new" || tail -n1 "$folder.txt" >"$folder.new"
    mv "$folder.new" "$folder.txt"
    rm -rf "$folder"
    failed+=("$name")
  fi
done
[ ${#failed[@]} = 0 ] || { echo "setup: could not install ${failed[*]}"; exit 1; }
