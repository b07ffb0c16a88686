#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the documentation of the modules from their comments and catalogs. A warning, such as for a link that leads
# nowhere, is an error; so is a type that has no place on the page of its module. Arguments go to `swift build`.
set -euo pipefail
cd "$(dirname "$0")/.."

modules=(EtcdKit EtcdPatterns EtcdMonitorKit EtcdTesting)
scratch=.build-docs

docc=$(command -v docc || xcrun --find docc) || {
    echo "docs: there is no docc on PATH; it comes with the Swift toolchain" >&2
    exit 1
}
target=$(swiftc -print-target-info | sed -n 's/^ *"triple": "\(.*\)",$/\1/p' | head -1)

# Together they use all modules. The tests build the same (scripts/test.sh), so nothing is built twice.
export ETCD_KIT_OPTIMIZED_TESTS=1
flags=(--scratch-path .build-tests "$@")
for program in examples etcd-monitor; do swift build --product "$program" "${flags[@]}"; done
built=$(swift build "${flags[@]}" --show-bin-path)

# The modules of the C libraries.
libraries=()
for map in Sources/*/module.modulemap; do libraries+=(-I "$(dirname "$map")"); done

dependencies=()
archives=()
for module in "${modules[@]}"; do
    symbols="$scratch/symbols/$module"
    archive="$scratch/$module.doccarchive"
    rm -rf "$symbols" "$archive"
    mkdir -p "$symbols"
    swift symbolgraph-extract -module-name "$module" -target "$target" -output-dir "$symbols" \
        -I "$built/Modules" "${libraries[@]}" \
        -minimum-access-level public -skip-inherited-docs -emit-extension-block-symbols
    scripts/docs-symbols.py "$module" "$scratch/symbols" "Sources/$module/$module.docc/$module.md"
    "$docc" convert "Sources/$module/$module.docc" --additional-symbol-graph-dir "$symbols" --output-dir "$archive" \
        --fallback-display-name "$module" --fallback-bundle-identifier "$module" --warnings-as-errors \
        --transform-for-static-hosting --enable-experimental-external-link-support "${dependencies[@]}"
    dependencies+=(--dependency "$archive")
    archives+=("$archive")
done

site="$scratch/etcd-kit.doccarchive"
rm -rf "$site"
"$docc" merge "${archives[@]}" --synthesized-landing-page-name etcd-kit --output-path "$site"
echo "docs: done; to read it: python3 -m http.server -d $site, and http://127.0.0.1:8000/documentation/"
