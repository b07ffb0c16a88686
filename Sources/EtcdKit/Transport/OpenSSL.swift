// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// The library OpenSSL in this process.
package enum OpenSSL {
    private static let isPrepared = OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil) == 1

    /// Begins a use of OpenSSL that may be the first of all; forgets the errors of earlier uses.
    ///
    /// OpenSSL then frees nothing when the process exits: a thread that still uses it, for example to read the
    /// system's certificates, would crash. After any other function, even `ERR_clear_error`, it is too late for that.
    package static func prepare() {
        _ = isPrepared
        ERR_clear_error()
    }
}
