#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds and tests the package Integrations. Arguments are more flags for the compiler.
set -euo pipefail
cd "$(dirname "$0")/../Integrations"

flags=(--disable-index-store -debug-info-format none "$@")
swift build --build-tests "${flags[@]}"
swift test --skip-build "${flags[@]}"
