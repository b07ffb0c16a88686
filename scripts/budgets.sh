#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Counts the allocations of operations on a private etcd, and the instructions of the codec, the HTTP/2 session and a put
# under callgrind, and compares them with Tests/Budgets/budgets.txt. Fails where something takes over a tenth more.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    echo "usage: scripts/budgets.sh [--write] [--help] [FLAG OF SWIFT BUILD]..."
    echo "  --write   makes what is counted the budgets, instead of comparing"
}

budgets=Tests/Budgets/budgets.txt writes=false
case ${1:-} in
--write)
    writes=true
    shift
    ;;
--help)
    usage
    exit
    ;;
esac

swift build -c release --product Budgets "$@"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
touch "$folder/results"

if ! command -v valgrind >/dev/null || ! command -v strip >/dev/null; then
    echo "budgets: instructions are not counted, since there is no valgrind or no strip" >&2
else
    # Not every valgrind can read the debugging information of Swift.
    strip --strip-debug -o "$folder/Budgets" .build/release/Budgets
    .build/release/Budgets instructions "$folder" >"$folder/results"
fi

allocations() { .build/release/Budgets allocations >>"$folder/results"; }

if $writes; then
    # The median of three runs.
    for _ in 1 2 3; do allocations; done
    {
        echo "# What operations may take; scripts/budgets.sh compares, and its --write makes a new file."
        echo "# Allocations of an operation, on average, and instructions under callgrind."
        awk -F '\t' '
            !(($1, $3) in count) { kind[++lines] = $1; name[lines] = $3 }
            { values[$1, $3, ++count[$1, $3]] = $2 }
            END {
                for (line = 1; line <= lines; line++) {
                    number = count[kind[line], name[line]]
                    for (i = 1; i <= number; i++) value[i] = values[kind[line], name[line], i] + 0
                    for (i = 2; i <= number; i++)
                        for (j = i; j > 1 && value[j] < value[j - 1]; j--) {
                            other = value[j]; value[j] = value[j - 1]; value[j - 1] = other
                        }
                    printf "%-12s %10s  %s\n", kind[line], value[int((number + 1) / 2)], name[line]
                }
            }' "$folder/results"
    } >"$folder/new"
    cp "$folder/new" "$budgets"
    cat "$budgets"
    exit
fi

# Prints the table, with the least that was measured; fails where something is over its budget.
compare() {
    awk '
        FNR == NR {
            if (/^#/ || NF < 3) next
            kind = $1; budget = $2
            sub(/^[^ ]+ +[^ ]+ +/, "")
            key = kind "\t" $0
            budgets[key] = budget; lines[++number] = key
            next
        }
        {
            split($0, parts, "\t")
            key = parts[1] "\t" parts[3]
            counted[parts[1]] = 1
            if (!(key in measured) || parts[2] + 0 < measured[key] + 0) measured[key] = parts[2]
            if (!(key in budgets)) { budgets[key] = ""; lines[++number] = key }
        }
        END {
            printf "%-12s  %-40s %12s %12s\n", "", "", "measured", "budget"
            for (line = 1; line <= number; line++) {
                key = lines[line]
                split(key, parts, "\t")
                if (!(parts[1] in counted)) continue
                verdict = "ok"
                if (budgets[key] == "") { verdict = "HAS NO BUDGET"; failed = 1 }
                else if (!(key in measured)) { verdict = "WAS NOT MEASURED"; failed = 1 }
                else {
                    percent = 100 * (measured[key] / budgets[key] - 1)
                    if (percent > 10) { verdict = sprintf("OVER by %.1f %%", percent); failed = 1 }
                    if (percent < -10) { verdict = sprintf("%.1f %% below: lower the budget", -percent); isLow = 1 }
                }
                printf "%-12s  %-40s %12s %12s  %s\n", parts[1], parts[2], measured[key], budgets[key], verdict
            }
            if (isLow) print "budgets: scripts/budgets.sh --write lowers the budgets to what is measured"
            if (failed) print "budgets: something takes more than it may, or does not stand in '"$budgets"'"
            exit failed
        }' "$budgets" "$folder/results"
}

# An operation that takes too much only because the machine has other work does not do so three times.
for _ in 1 2 3; do
    allocations
    if compare >"$folder/table"; then break; fi
done
cat "$folder/table"
compare >/dev/null
