#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what this package needs beside a Swift toolchain, if it is missing: make, pkg-config, the headers of nghttp2
# and OpenSSL, for the tests and the examples an etcd server, and for some tests its tools and the program openssl. With
# --test-programs also valgrind, and the servers that the tests of the monitor are skipped without, as far as the system
# has them. Says nothing when nothing is missing. Never leaves a system service running, or enabled, that was not there
# before.
set -euo pipefail

fail() {
    echo "install-dependencies: $*" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

has_etcd() {
    local binary
    for binary in "${ETCD_BINARY:-}" "$(command -v etcd || true)" /usr/{bin,sbin,local/bin}/etcd; do
        if [ -n "$binary" ] && [ -x "$binary" ]; then return 0; fi
    done
    return 1
}

# The programs that restore a snapshot.
has_etcd_tool() { has etcdctl || has etcdutl; }

# Prints the missing ones of: make, pkg-config, libnghttp2, openssl, etcd, etcdctl.
missing() {
    has make || echo make
    has pkg-config || echo pkg-config
    for library in libnghttp2 openssl; do
        pkg-config --exists "$library" 2>/dev/null || echo "$library"
    done
    has_etcd || echo etcd
    has_etcd_tool || echo etcdctl
}

check_by_hand() {
    local things
    things=$(missing | paste -sd ' ' -)
    [ -z "$things" ] || fail "missing: $things; $1"
}

has swift || fail "there is no Swift toolchain on PATH; see https://www.swift.org/install"
if [ "$(uname -s)" = Darwin ]; then
    # Homebrew does not link its OpenSSL; SwiftPM looks here by itself.
    PKG_CONFIG_PATH="$(brew --prefix 2>/dev/null || true)/opt/openssl@3/lib/pkgconfig:${PKG_CONFIG_PATH:-}"
    export PKG_CONFIG_PATH
    check_by_hand "run: brew install pkgconf libnghttp2 openssl@3 etcd"
    exit 0
elif ! has apt-get; then
    check_by_hand "there is no apt-get; install make, pkg-config, the development files of libnghttp2 and OpenSSL \
(Fedora: libnghttp2-devel openssl-devel), and an etcd server (or set ETCD_BINARY to one)"
    exit 0
fi

# From here on: Debian, Ubuntu and their kin.
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

packages=()
has make || packages+=(make)
has pkg-config || packages+=(pkg-config)
for package in libnghttp2-dev libssl-dev; do
    installed "$package" || packages+=("$package")
done
has openssl || packages+=(openssl)
has_etcd_tool || packages+=(etcd-client)
test_programs=()
if [ "${1:-}" = --test-programs ]; then
    for package in prometheus prometheus-alertmanager postgresql valgrind; do
        installed "$package" || test_programs+=("$package")
    done
fi
needs_etcd=false
has_etcd || needs_etcd=true
if [ "${#packages[@]}" -eq 0 ] && [ "${#test_programs[@]}" -eq 0 ] && ! $needs_etcd; then exit 0; fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    has sudo || fail "missing: $(missing | paste -sd ' ' -); run this as root, or install sudo"
    as_root=(sudo)
fi
root() { ${as_root[@]+"${as_root[@]}"} "$@"; }
apt() { root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" </dev/null; }

apt update || fail "apt-get update failed"

available() { apt-cache show "$1" >/dev/null 2>&1; }
for package in ${test_programs[@]+"${test_programs[@]}"}; do
    if available "$package"; then packages+=("$package"); fi
done
if $needs_etcd; then
    if available etcd-server; then
        packages+=(etcd-server)
    elif available etcd; then
        packages+=(etcd)
    else
        fail "no package has an etcd server (on Ubuntu it is in universe); install one, or set ETCD_BINARY to it"
    fi
fi

# The services that the packages bring, and that were not there before.
services=()
for service in etcd prometheus prometheus-node-exporter prometheus-alertmanager postgresql; do
    [ -e "/lib/systemd/system/$service.service" ] || [ -e "/etc/systemd/system/$service.service" ] \
        || [ -e "/etc/init.d/$service" ] || services+=("$service")
done

# Debian starts a package's service when it installs it, unless this file forbids it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ] && [ ! -L "$policy" ]; then
    trap 'root rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' | root tee "$policy" >/dev/null
    root chmod 755 "$policy"
fi

echo "install-dependencies: installing ${packages[*]}"
apt install --yes --no-install-recommends "${packages[@]}" >/dev/null || fail "apt-get could not install ${packages[*]}"

# Nor may they start at the next boot.
if has systemctl; then
    for service in ${services[@]+"${services[@]}"}; do
        root systemctl disable "$service" >/dev/null 2>&1 || true
        root systemctl stop "$service" >/dev/null 2>&1 || true
    done
fi

has_etcd || fail "no etcd server after installing ${packages[*]}"
