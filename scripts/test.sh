#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds and runs all tests. Each test target is a process of its own, and these run side by side. In each process one
# test runs at a time, because tests measure times and memory. Arguments go to `swift build` and `swift test`.
set -euo pipefail
cd "$(dirname "$0")/.."

swift build --build-tests "$@"

targets=(Tests/*Tests)
groups=()
set -m # Gives each process below a group of its own, which the trap ends as a whole.
trap 'kill -INT "${groups[@]/#/-}" 2>/dev/null; exit 130' INT TERM
for target in "${targets[@]}"; do
    # `swift test` locks the build folder, which is only read here. sed writes whole lines, so no two of them mix.
    (swift test --skip-build --ignore-lock --no-parallel --filter "^${target#Tests/}\." "$@" 2>&1 | sed -u '') &
    groups+=("$!")
done

status=0
for index in "${!targets[@]}"; do
    wait "${groups[$index]}" || { status=1; echo "error: ${targets[$index]} failed" >&2; }
done
exit "$status"
