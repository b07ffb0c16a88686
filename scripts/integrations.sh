#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds and tests the package Integrations. Arguments are more flags for the compiler.
set -euo pipefail
cd "$(dirname "$0")/../Integrations"

# One test at a time, since they start servers. The index store is needed to find the tests.
flags=(-debug-info-format none "$@")
swift build --build-tests "${flags[@]}"
swift test --skip-build --no-parallel "${flags[@]}"
