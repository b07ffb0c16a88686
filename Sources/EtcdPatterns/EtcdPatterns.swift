// SPDX-License-Identifier: Apache-2.0

// `import EtcdPatterns` alone is enough: it brings the client with it.
@_exported public import EtcdKit
