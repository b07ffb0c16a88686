// SPDX-License-Identifier: Apache-2.0

// `import EtcdPatterns` alone is enough: it exports the client.
@_exported public import EtcdKit
