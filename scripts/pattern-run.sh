#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Lets processes and sessions work with locks, elections and shards while they are frozen, killed, cut off and delayed, and
# checks what they were promised. A seed repeats the schedule of the faults, though not the moments of everything else.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    echo "usage: scripts/pattern-run.sh [--run NAME] [--seconds N] [--seed N] [--help] [FLAG OF SWIFT BUILD]..."
    echo "  --run NAME    counter, fencing, cancelled, killed, queues, election, shards, or all (all)"
    echo "  --seconds N   how long each run goes on (120)"
    echo "  --seed N      which faults, and when, where they are not left to chance (random)"
    echo "ETCD_BINARY names the etcd."
}

number() {
    if ! [[ ${2:-} =~ ^[0-9]{1,9}$ ]]; then
        echo "pattern-run: $1 needs a number" >&2
        exit 2
    fi
    echo "$2"
}

run=all seconds=120 seed=$((RANDOM << 15 | RANDOM)) flags=()
while [ $# -gt 0 ]; do
    case $1 in
    --run)
        run=${2:-}
        shift $(($# > 1 ? 2 : 1))
        ;;
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

case $run in
counter) filter='CounterRunTests' ;;
fencing) filter='SelfFencingTests' ;;
cancelled) filter='GivenUpTests/cancelled' ;;
killed) filter='GivenUpTests/killed' ;;
queues) filter='QueueHistoryTests|SlotHistoryTests' ;;
election) filter='ElectionFaultRunTests' ;;
shards) filter='ShardChurnTests' ;;
all) filter='CounterRunTests|SelfFencingTests|GivenUpTests|QueueHistoryTests|SlotHistoryTests|ElectionFaultRunTests|ShardChurnTests' ;;
*)
    usage >&2
    exit 2
    ;;
esac

swift build --build-tests "${flags[@]+"${flags[@]}"}"
echo "pattern-run: $run, $seconds seconds each, seed $seed"
export PATTERN_RUN_SECONDS=$seconds PATTERN_RUN_SEED=$seed
# A pipe shall get each line when it is written.
lines=$(command -v stdbuf >/dev/null && echo "stdbuf -oL" || true)
$lines swift test --skip-build --no-parallel "${flags[@]+"${flags[@]}"}" --filter "$filter" || {
    echo "pattern-run: failed; scripts/pattern-run.sh --run $run --seconds $seconds --seed $seed repeats it" >&2
    exit 1
}
