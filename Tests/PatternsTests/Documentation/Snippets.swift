// SPDX-License-Identifier: Apache-2.0

/// The code of README and Docs that uses the patterns, as it stands there.
enum Snippets {}
