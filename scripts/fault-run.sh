#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Harms a cluster of three members in every way that EtcdTesting knows, while clients work on it, and checks what they
# were promised. A seed repeats the schedule of the faults, though not the moments of everything else.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    echo "usage: scripts/fault-run.sh [--seconds N] [--seed N] [--help] [FLAG OF SWIFT BUILD]..."
    echo "  --seconds N   how long faults go on (600)"
    echo "  --seed N      which faults, and when (random)"
    echo "ETCD_BINARY names the etcd."
}

number() {
    if ! [[ ${2:-} =~ ^[0-9]{1,18}$ ]]; then
        echo "fault-run: $1 needs a number" >&2
        exit 2
    fi
    echo "$2"
}

seconds=600 seed=$((RANDOM << 15 | RANDOM)) flags=()
while [ $# -gt 0 ]; do
    case $1 in
    --seconds)
        seconds=$(number "$@")
        shift 2
        ;;
    --seed)
        seed=$(number "$@")
        shift 2
        ;;
    --help)
        usage
        exit
        ;;
    *)
        flags+=("$1")
        shift
        ;;
    esac
done

swift build --build-tests "${flags[@]+"${flags[@]}"}"
echo "fault-run: $seconds seconds, seed $seed"
export FAULT_RUN_SECONDS=$seconds FAULT_RUN_SEED=$seed
# A pipe shall get each line when it is written.
lines=$(command -v stdbuf >/dev/null && echo "stdbuf -oL" || true)
$lines swift test --skip-build "${flags[@]+"${flags[@]}"}" --filter 'FaultRunTests/run\(\)' || {
    echo "fault-run: failed; scripts/fault-run.sh --seconds $seconds --seed $seed repeats its faults" >&2
    exit 1
}
