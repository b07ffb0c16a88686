// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// OpenSSL's HMAC with SHA-256 (RFC 2104).
package enum HMACSHA256 {
    /// The code of a message; nil if there was no memory.
    package static func code(of message: [UInt8], key: [UInt8]) -> [UInt8]? {
        var code = [UInt8](repeating: 0, count: SHA256.digestLength)
        guard let keyLength = Int32(exactly: key.count),
            HMAC(EVP_sha256(), key, keyLength, message, message.count, &code, nil) != nil
        else { return nil }
        return code
    }
}
