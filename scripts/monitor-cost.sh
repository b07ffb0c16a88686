#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures what a monitor costs that polls a private etcd of three members every second: its memory, its processor time,
# and how long its API takes, with ten requests a second. Arguments after the options go to `swift build`.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    echo "usage: scripts/monitor-cost.sh [--seconds N] [--help] [FLAG OF SWIFT BUILD]..."
    echo "  --seconds N   how long (600)"
}

seconds=600
while [ $# -gt 0 ]; do
    case $1 in
    --seconds)
        [[ ${2:-} =~ ^[1-9][0-9]{0,6}$ ]] || { echo "monitor-cost: --seconds needs a number" >&2; exit 2; }
        seconds=$2
        shift 2
        ;;
    --help)
        usage
        exit
        ;;
    *) break ;;
    esac
done

swift build -c release --product etcd-monitor "$@"
folder=$(mktemp -d)
processes=()
stop() {
    for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
    wait
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM

# One monitor brings the cluster and its load; another one is measured, so that the load is not.
start() { # name, flags: prints the port of the API
    local name=$1
    shift
    .build/release/etcd-monitor "$@" --api-port=0 >"$folder/$name" 2>&1 &
    processes+=("$!")
    for _ in {1..300}; do
        port=$(grep -om1 'http://127.0.0.1:[0-9]*/' "$folder/$name" | tr -cd '0-9:' | cut -d: -f3 || true)
        if [ -n "$port" ]; then return; fi
        sleep 0.1
    done
    cat "$folder/$name" >&2
    exit 1
}
start demo --demo
endpoints=$(grep -o 'at 127.0.0.1:[0-9]*' "$folder/demo" | cut -c4- | paste -sd, -)
start monitor --endpoints="$endpoints" --health-check-interval=1s
monitor=${processes[1]}

paths=(health api/v1/cluster/status api/v1/findings api/v1/metrics/current metrics
    'api/v1/metrics/history?metric=cluster/database_bytes')
end=$((SECONDS + seconds))
request=0
while [ $SECONDS -lt $end ]; do
    curl -sSf -o /dev/null -w '%{time_total}\n' "http://127.0.0.1:$port/${paths[request++ % ${#paths[@]}]}" \
        >>"$folder/times"
    sleep 0.1
done

ticks=$(getconf CLK_TCK)
used=$(awk '{ print $14 + $15 }' "/proc/$monitor/stat")
memory=$(awk '/VmHWM/ { print $2 }' "/proc/$monitor/status")
polls=$(curl -sSf "http://127.0.0.1:$port/api/v1/cluster/status" | grep -om1 '"poll":[0-9]*' | cut -d: -f2)
sort -n "$folder/times" | awk -v seconds="$seconds" -v used="$used" -v ticks="$ticks" -v memory="$memory" -v polls="$polls" '
    { time[NR] = $1 }
    END {
        printf "%d polls in %d s: %.1f MB of memory at most, %.1f %% of a core\n", polls, seconds, memory / 1024,
            100 * used / ticks / seconds
        printf "%d requests: P50 %.1f ms, P95 %.1f ms, slowest %.1f ms\n", NR, time[int(NR * 0.5) + 1] * 1000,
            time[int(NR * 0.95) + 1] * 1000, time[NR] * 1000
    }'
