#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the tests and prints which share of the lines of Sources they run, by folder. .build-coverage/report.txt has a line
# for each file, and .build-coverage/lines.txt each line with its count. Arguments go to scripts/test.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=.build-coverage
# The tools of another LLVM cannot read the profiles.
tools=$(dirname "$(python3 -c 'import os, sys; print(os.path.realpath(sys.argv[1]))' "$(xcrun --find swift 2>/dev/null || command -v swift)")")
profdata=$tools/llvm-profdata cov=$tools/llvm-cov

rm -rf "$scratch/profiles"
mkdir -p "$scratch/profiles"
# Each process of the tests writes a file of its own when it ends; a worker that a test kills writes none.
LLVM_PROFILE_FILE="$PWD/$scratch/profiles/%p-%m.profraw" scripts/test.sh --scratch-path "$scratch" \
    -Xswiftc -profile-generate -Xswiftc -profile-coverage-mapping "$@" && status=0 || status=$?

built=$(swift build --scratch-path "$scratch" --show-bin-path)
binary=$(find "$built" -maxdepth 1 -name '*PackageTests.xctest' | head -1)
[ ! -d "$binary" ] || binary=$(find "$binary/Contents/MacOS" -type f | head -1)
find "$scratch/profiles" -name '*.profraw' >"$scratch/profiles/list"
"$profdata" merge --sparse --failure-mode=all --input-files="$scratch/profiles/list" --output="$scratch/all.profdata"
export_flags=("$binary" --instr-profile "$scratch/all.profdata" --ignore-filename-regex '/(Tests|\.build[^/]*)/')
"$cov" report "${export_flags[@]}" >"$scratch/report.txt"
"$cov" show "${export_flags[@]}" >"$scratch/lines.txt"
"$cov" export --summary-only "${export_flags[@]}" | python3 -c '
import collections, json, pathlib, sys
counts = collections.defaultdict(lambda: [0, 0])
for file in json.load(sys.stdin)["data"][0]["files"]:
    parts = pathlib.Path(file["filename"]).parts
    parts = parts[len(parts) - parts[::-1].index("Sources"):-1]
    lines = file["summary"]["lines"]
    for key in {"/".join(parts), parts[0], "all"}:
        counts[key][0] += lines["covered"]
        counts[key][1] += lines["count"]
for key, (covered, count) in sorted(counts.items(), key=lambda item: (item[0] != "all", item[0])):
    print(f"{100 * covered / max(count, 1):6.1f} %  {covered:6} of {count:6} lines  {key}")'
exit "$status"
