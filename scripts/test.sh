#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds and runs all tests. The suites of each test target run in four processes, by the first letter of their names. In
# each process one test runs at a time, because tests measure times and memory. Most tests wait most of the time, so three
# processes run side by side: with six, two processors are hardly ever idle, and tests see faults that nobody made. The
# tests that count how soon a fault is found run after the others, four at a time. Arguments go to `swift build` and
# `swift test`.
set -euo pipefail
cd "$(dirname "$0")/.."

swift build --build-tests "$@"

timed='^MonitorTests\.ClusterFaultTests'
flags=("$@")
status=0
set -m # Gives the processes of a run a group of their own, which the trap ends as a whole.

# run COUNT PATTERN... -- ARGUMENT...: a process for the suites that each pattern names, COUNT of them at a time
run() {
    local count=$1 patterns=()
    shift
    while [ "$1" != -- ]; do patterns+=("$1") && shift; done
    # `swift test` locks the build folder, which is only read here. sed writes whole lines, so no two of them mix.
    printf '%s\0' "${patterns[@]}" | xargs -0 -P "$count" -I PATTERN bash -o pipefail -c \
        'swift test --skip-build --ignore-lock --filter "$@" 2>&1 | sed -u "" || { echo "error: $1 failed"; exit 1; }' \
        test PATTERN "${@:2}" "${flags[@]}" &
    trap "kill -- -$(jobs -p %%); exit 130" INT TERM
    wait "$!" || status=1
}

patterns=()
for target in Tests/*Tests; do
    for letters in A-D E-L M-R S-Z; do patterns+=("^${target#Tests/}\.[$letters]"); done
done
run 3 "${patterns[@]}" -- --no-parallel --skip "$timed"
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=4
run 1 "$timed" -- --parallel
exit "$status"
