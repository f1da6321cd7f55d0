#!/usr/bin/env bash
# Records the answers of the embedded engines anew: after each change of an engine that changes its revision.
set -euo pipefail
cd "$(dirname "$0")/../.."
vidtags=${VIDTAGS:-.venv/bin/vidtags}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
record() {
  "$vidtags" evaluate "examples/evaluation/$1.jsonl" --runs "examples/evaluation/$2.yaml" --cache "$folder/answers.sqlite" \
    --record "examples/evaluation/recorded/$1.jsonl" --out "$folder/$1"
}
record music-moods runs
record clips clip-runs
