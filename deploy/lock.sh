#!/usr/bin/env bash
# Writes deploy/requirements/*.txt anew: exact versions with hashes for Python 3.11 and later, from pyproject.toml.
# Needs uv (pip install uv). Everything is held to what the tests run with, so the demo and the images run that too.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {  # compile NAME EXTRAS [OPTION...]
  local name=$1 extras=$2 options=()
  shift 2
  for extra in $extras; do options+=(--extra "$extra"); done
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
    --custom-compile-command 'deploy/lock.sh' "${options[@]}" "$@" --output-file "deploy/requirements/$name.txt" pyproject.toml
}
compile test "dev" "$@"
held=(--constraint deploy/requirements/test.txt)
# What the tests of the captioner's model engines need beside torch. torch itself is left to pip, since its build depends
# on the machine, and with it what only its CUDA build brings.
compile test-torch "captioner-transformers captioner-openai" "${held[@]}" "$@"
awk '/^[a-z]/ { keep = !/^(torch|triton|nvidia-[a-z0-9-]*|cuda-[a-z0-9-]*)==/ } /^#/ || keep' \
  deploy/requirements/test-torch.txt >deploy/requirements/test-torch.txt.new
mv deploy/requirements/test-torch.txt.new deploy/requirements/test-torch.txt
compile demo "demo" "${held[@]}" "$@"
compile captioner "embedded-captioner cli jwt metrics tracing" "${held[@]}" "$@"
compile captioner-gpu "captioner-transformers captioner-openai cli jwt metrics tracing" "${held[@]}" "$@"
compile classifier "embedded-classifier classifier-instructor cli jwt metrics tracing" "${held[@]}" "$@"
compile gateway "gateway cli jwt metrics remote tracing" "${held[@]}" "$@"
for group in audit pip; do
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
    --custom-compile-command 'deploy/lock.sh' --group "pyproject.toml:$group" "$@" --output-file "deploy/requirements/$group.txt"
done
