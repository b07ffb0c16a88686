#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds and runs the tests. Arguments go to `swift build`.
#
#     scripts/test.sh                          all tests
#     TIERS="unit live" scripts/test.sh        those of some tiers, which Tests/README.md explains
#     FILTER=LockTests scripts/test.sh         those whose names match, one at a time
#     ETCD_TEST_SCALE=2 scripts/test.sh        with the slow tests in their long form
#
# In each process, one test runs at a time, since tests measure times and memory. JOBS says how many processes run at a
# time: four for each processor by default, since most tests wait most of the time. If the processors are hardly ever idle,
# tests see faults that nobody made.
set -euo pipefail
cd "$(dirname "$0")/.."

export flags="$*"
# See Package.swift. In optimized code, ThreadSanitizer reports a race where a continuation is resumed before its task waits.
case " $flags " in *" --sanitize="*) ;; *) export ETCD_KIT_OPTIMIZED_TESTS=1 ;; esac
case " $flags " in *" --scratch-path "*) ;; *) flags="--scratch-path .build-tests $flags" ;; esac
swift build --build-tests $flags
# On Linux, the tests are a program, which starts at once; `swift test` reads the manifest first.
export program=$(swift build --show-bin-path $flags)/etcd-kitPackageTests.xctest
# These tests measure how soon faults are found, and wait most of the time: many run at a time, beside nothing else.
faults='MonitorTests\.ClusterFaultTests'
status=0
# The last lines of the processes, for the sum at the end.
export totals=$(mktemp -d)
trap 'rm -rf "$totals"' EXIT
SECONDS=0

# run_tests ARGUMENT... PATTERN: a process with the tests whose names match the pattern
run_tests() {
    if [ -f "$program" ]; then
        "$program" --testing-library swift-testing "${@:1:$#-1}" --filter "${@: -1}"
    else
        swift test --skip-build --ignore-lock $flags "${@:1:$#-1}" --filter "${@: -1}"
    fi
}
export -f run_tests

if [ -n "${FILTER:-}" ]; then
    run_tests --no-parallel "$FILTER"
    exit
fi

# suites TIER: the names of the suites of a tier, from their declarations
suites() {
    find Tests -path '*Tests/*.swift' -print0 | sort -z | xargs -0 awk -v tier="$1" '
        FNR == 1 { split(FILENAME, path, "/"); attribute = "" }
        /^@Suite/ { attribute = " " }
        attribute == "" { next }
        { attribute = attribute $0 }
        match($0, /(struct|class|actor|enum) [A-Za-z0-9_]+/) {
            name = substr($0, RSTART, RLENGTH)
            sub(/.* /, "", name)
            gsub(/"([^"\\]|\\.)*"/, "", attribute)
            if (!match(attribute, /\.(unit|live|cluster|measurement|slow)[,)]/)) {
                print "error: the suite " name " has no tier" >"/dev/stderr"
                exit 1
            }
            if (substr(attribute, RSTART + 1, RLENGTH - 2) == tier) print path[2] "\\." name
            attribute = ""
        }'
}

# groups TIER COUNT: the suites of a tier as patterns, dealt out to so many processes
groups() {
    case " ${TIERS:-$1} " in *" $1 "*) ;; *) return 0 ;; esac
    suites "$1" | grep -vxF "$faults" | awk -v count="$2" '
        { group = NR % count; names[group] = names[group] (NR > count ? "|" : "") $0 }
        END { for (group in names) print "^(" names[group] ")/" }'
}

# run COUNT PATTERNS ARGUMENT...: a process for each line of the patterns, COUNT of them at a time
run() {
    local count=$1 patterns=$2
    shift 2
    [ -n "$patterns" ] || return 0
    TIMEFORMAT="$(wc -l <<<"$patterns") processes, $count at a time, took %0R seconds and %P %% of a processor."
    # sed writes whole lines, so no two of them mix, and keeps the one that counts the tests.
    tr '\n' '\0' <<<"$patterns" | NO_COLOR=1 xargs -0 -n 1 -P "$count" bash -o pipefail -c \
        'run_tests "$@" 2>&1 | sed -u "/ Test run with /w $totals/$$" || { echo "error: a process failed: ${*: -1}"; exit 1; }' tests "$@" &
    trap "kill -- -$(jobs -p %%); exit 130" INT TERM
    time wait "$!" || status=1
}

set -m # Gives the processes of a run a group of their own, which the trap ends as a whole.
jobs=${JOBS:-$((4 * $(getconf _NPROCESSORS_ONLN)))}
patterns=$(groups unit 24)
ETCD_BINARY=/nonexistent run "$jobs" "$patterns" --no-parallel # These tests find no etcd.
patterns=$(groups slow 100 && groups cluster 24 && groups live 4)
run "$jobs" "$patterns" --no-parallel
patterns=$(groups measurement 2)
run 2 "$patterns" --no-parallel
[ -z "$patterns" ] || SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=8 run 1 "^$faults/" --parallel
{ cat "$totals"/* 2>/dev/null || true; } | awk -v seconds="$SECONDS" -v status="$status" '
    sub(/.* Test run with /, "") { count += $1 }
    END { printf "%d tests %s in %.0f minutes.\n", count, status ? "have run, and some have failed," : "passed", seconds / 60 }'
exit "$status"
