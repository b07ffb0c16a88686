#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Compares the public API of the libraries with a tag, by default the newest one that this commit is a descendant of, and
# fails where a client of that version would not compile any more. Before 1.0, a minor version may break the API: then the
# changes stand in CHANGELOG.md, and the script is run with --allow. Further arguments go to `swift package`.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    echo "usage: scripts/api-breakage.sh [--against TAG] [--allow] [--help] [FLAG OF SWIFT PACKAGE]..."
    echo "  --against TAG   compare with this tag or commit (the newest tag before this commit)"
    echo "  --allow         print the changes, and do not fail"
}

base='' allow=false flags=()
while [ $# -gt 0 ]; do
    case $1 in
    --against)
        [ $# -gt 1 ] || { usage >&2 && exit 2; }
        base=$2
        shift 2
        ;;
    --allow)
        allow=true
        shift
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

if [ -z "$base" ]; then
    if [ "$(git rev-parse --is-shallow-repository)" = true ]; then
        echo "api-breakage: this is a shallow clone, which may lack the tags; fetch all of it: git fetch --unshallow --tags" >&2
        exit 1
    fi
    # A tag on this commit is what is being released, not what it is compared with.
    base=$(git describe --tags --abbrev=0 --match '[0-9]*.[0-9]*.[0-9]*' HEAD^ 2>/dev/null || true)
fi
if [ -z "$base" ]; then
    echo "api-breakage: there is no tag of a version yet, so there is nothing to compare with"
    exit
fi

# The libraries, from the manifest: EtcdKit, EtcdPatterns, …
libraries=()
while read -r library; do libraries+=(--products "$library"); done < <(swift package dump-package | python3 -c '
import json, sys
for product in json.load(sys.stdin)["products"]:
    if "library" in product["type"]:
        print(product["name"])')

echo "api-breakage: compared with $base"
if swift package "${flags[@]+"${flags[@]}"}" diagnose-api-breaking-changes "$base" "${libraries[@]}"; then exit; fi
if $allow; then
    echo "api-breakage: these changes are allowed"
else
    echo "api-breakage: the API has changes that break clients; see RELEASING.md" >&2
    exit 1
fi
