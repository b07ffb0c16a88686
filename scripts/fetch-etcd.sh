#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Fetches a release of etcd from its GitHub releases, checks its SHA-256 sum, unpacks etcd, etcdctl and etcdutl, and prints
# the path of etcd:
#
#     ETCD_BINARY=$(scripts/fetch-etcd.sh 3.6) make test
#
# A minor version stands for the release of it that CI uses. A release that is there already is not fetched again.
set -euo pipefail

usage() {
    echo "usage: scripts/fetch-etcd.sh VERSION [FOLDER]"
    echo "  VERSION   3.4, 3.5, 3.6, 3.7, or a release such as 3.6.13"
    echo "  FOLDER    where to put it (.build/etcd)"
    echo "ETCD_RELEASES names another place than GitHub, with the same layout."
}

fail() {
    echo "fetch-etcd: $*" >&2
    exit 1
}

case ${1:-} in
--help) usage && exit ;;
3.4) version=3.4.37 ;;
3.5) version=3.5.32 ;;
3.6) version=3.6.13 ;;
3.7) version=3.7.0 ;;
[0-9]*.[0-9]*.[0-9]*) version=$1 ;;
*) usage >&2 && exit 2 ;;
esac

case $(uname -m) in
x86_64) machine=amd64 ;;
aarch64 | arm64) machine=arm64 ;;
*) fail "there is no release of etcd for $(uname -m)" ;;
esac
case $(uname -s) in
Linux) system=linux archive=tar.gz ;;
Darwin) system=darwin archive=zip ;;
*) fail "there is no release of etcd for $(uname -s)" ;;
esac

name=etcd-v$version-$system-$machine
folder=${2:-$(cd "$(dirname "$0")/.." && pwd)/.build/etcd}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
if [ -x "$folder/$name/etcd" ]; then
    echo "$folder/$name/etcd"
    exit
fi

work=$(mktemp -d "$folder/fetching.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
releases=${ETCD_RELEASES:-https://github.com/etcd-io/etcd/releases/download}
for file in SHA256SUMS "$name.$archive"; do
    curl --fail --silent --show-error --location --retry 5 --retry-all-errors --output "$work/$file" \
        "$releases/v$version/$file" || fail "could not fetch $releases/v$version/$file"
done
cd "$work"
grep "[ *]$name.$archive\$" SHA256SUMS >sum || fail "SHA256SUMS of $version has no $name.$archive"
if command -v sha256sum >/dev/null; then check=sha256sum; else check="shasum -a 256"; fi
$check -c sum >/dev/null || fail "$name.$archive is damaged: its SHA-256 sum is another"
if [ "$archive" = zip ]; then unzip -q "$name.$archive"; else tar -xzf "$name.$archive"; fi
[ -x "$name/etcd" ] || fail "$name.$archive has no etcd"
rm -rf "${folder:?}/$name"
mv "$name" "$folder/$name"
echo "$folder/$name/etcd"
