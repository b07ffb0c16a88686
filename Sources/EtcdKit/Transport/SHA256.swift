// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// OpenSSL's SHA-256, of bytes that come one after the other.
package final class SHA256 {
    static let digestLength = 32

    private let context: OpaquePointer?
    private var isValid: Bool

    package init() {
        OpenSSL.prepare()
        context = EVP_MD_CTX_new()
        isValid = EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1
    }

    deinit {
        EVP_MD_CTX_free(context)
    }

    package func update(_ bytes: ArraySlice<UInt8>) {
        isValid = bytes.withUnsafeBytes { EVP_DigestUpdate(context, $0.baseAddress, $0.count) } == 1 && isValid
    }

    /// Ends the sum; nil if there was no memory.
    package func finish() -> [UInt8]? {
        var digest = [UInt8](repeating: 0, count: Self.digestLength)
        defer { isValid = false }
        return isValid && EVP_DigestFinal_ex(context, &digest, nil) == 1 ? digest : nil
    }
}

/// OpenSSL's HMAC with SHA-256 (RFC 2104).
package enum HMACSHA256 {
    /// The code of a message; nil if there was no memory.
    package static func code(of message: [UInt8], key: [UInt8]) -> [UInt8]? {
        OpenSSL.prepare()
        var code = [UInt8](repeating: 0, count: SHA256.digestLength)
        guard let keyLength = Int32(exactly: key.count),
            HMAC(EVP_sha256(), key, keyLength, message, message.count, &code, nil) != nil
        else { return nil }
        return code
    }
}
