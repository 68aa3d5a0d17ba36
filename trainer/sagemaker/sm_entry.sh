#!/bin/bash
# What a training container runs on each host: checks the code that was sent, unpacks it and starts it.
#   sm_entry.sh SHA256-OF-CODE.TAR
set -euo pipefail
root="${T2I_ML_ROOT:-/opt/ml}"
archive="$root/input/data/code/code.tar"
fail() {
  mkdir -p "$root/output"
  echo "$1" | tee "$root/output/failure" >&2
  exit 1
}
echo "$1  $archive" | sha256sum --check --status || fail "the code that arrived is not the code that was sent ($archive)"
mkdir -p "$root/code"
tar -xf "$archive" -C "$root/code" --no-same-owner
# In place of this shell, so that SIGTERM reaches it.
exec python3 "$root/code/trainer/sagemaker/job.py"
