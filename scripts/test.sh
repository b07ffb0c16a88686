#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds and runs all tests. The suites of each test target run in two processes, by the first letter of their names, and
# these run side by side: most tests wait most of the time. In each process one test runs at a time, because tests measure
# times and memory. The tests that count how soon a fault is found run after the others, four at a time. Arguments go to
# `swift build` and `swift test`.
set -euo pipefail
cd "$(dirname "$0")/.."

swift build --build-tests "$@"

timed='^MonitorTests\.ClusterFaultTests'
flags=("$@")
groups=()
names=()
status=0
set -m # Gives each process below a group of its own, which the trap ends as a whole.
trap 'kill -INT "${groups[@]/#/-}" 2>/dev/null; exit 130' INT TERM

# start NAME ARGUMENT...
start() {
    # `swift test` locks the build folder, which is only read here. sed writes whole lines, so no two of them mix.
    (swift test --skip-build --ignore-lock "${@:2}" "${flags[@]}" 2>&1 | sed -u '') &
    groups+=("$!")
    names+=("$1")
}

finish() {
    for index in "${!groups[@]}"; do
        wait "${groups[$index]}" || { status=1; echo "error: ${names[$index]} failed" >&2; }
    done
    groups=() names=()
}

for target in Tests/*Tests; do
    for letters in A-L M-Z; do
        start "$target ($letters)" --no-parallel --filter "^${target#Tests/}\.[$letters]" --skip "$timed"
    done
done
finish
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=4
start "$timed" --parallel --filter "$timed"
finish
exit "$status"
