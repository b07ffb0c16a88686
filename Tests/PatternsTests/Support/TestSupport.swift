// SPDX-License-Identifier: Apache-2.0

// All files of these tests see it.
@_exported import TestSupport
