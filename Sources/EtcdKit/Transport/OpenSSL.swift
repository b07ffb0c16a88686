// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// The library OpenSSL in this process.
package enum OpenSSL {
    private static let isPrepared = OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil) == 1

    /// Prepares OpenSSL before its first use.
    ///
    /// OpenSSL then frees nothing when the process exits: a thread that still uses it, for example to read the system's
    /// certificates, would crash.
    package static func prepare() { _ = isPrepared }
}
