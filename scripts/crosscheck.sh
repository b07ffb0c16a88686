#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Checks the wire format against Python's protobuf on fresh random messages, both ways: Swift reads and writes what
# Python encoded, Python reads what Swift encoded. SEED=N repeats a run. Arguments go to `swift test`.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "crosscheck: $*" >&2
    exit 1
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
seed=${SEED:-$((RANDOM << 15 | RANDOM))}

command -v python3 >/dev/null || fail "there is no python3 on PATH"
python3 -m venv "$folder/venv" >/dev/null 2>&1 \
    || fail "python3 cannot make a venv with pip (Debian: apt install python3-venv)"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "protobuf>=6.31" \
    || fail "pip could not install protobuf; is PyPI within reach?"

vectors() { "$folder/venv/bin/python" scripts/wire-vectors.py "$@"; }
echo "crosscheck: SEED=$seed"
vectors write --seed "$seed" --random 200 "$folder/vectors.jsonl"
ETCDKIT_WIRE_VECTORS="$folder/vectors.jsonl" ETCDKIT_WIRE_ENCODINGS="$folder/encodings.txt" \
    swift test --filter WireVectorTests "$@" || fail "failed with SEED=$seed"
[ -s "$folder/encodings.txt" ] || fail "the Swift tests wrote no encodings"
vectors check "$folder/vectors.jsonl" "$folder/encodings.txt" || fail "failed with SEED=$seed"
