// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Text with certificates or a key, and where it comes from.
struct TLSPEM: Sendable {
    /// Its name in messages: the path of the file, or the name of the setting.
    let name: String
    let bytes: [UInt8]
}

extension TLSPEM {
    /// Reads a file, which may take a while.
    init(file path: String) throws(TLSError) {
        OpenSSL.prepare()
        guard let file = BIO_new_file(path, "r") else {
            defer { ERR_clear_error() }
            let number = ERR_GET_REASON(ERR_peek_error())
            throw TLSError(.credentials, "cannot read \(path): \(Platform.message(of: number))")
        }
        defer { BIO_free(file) }
        var contents: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while case let count = BIO_read(file, &chunk, Int32(chunk.count)), count > 0 {
            contents += chunk.prefix(Int(count))
            if contents.count > Self.sizeLimit { throw TLSError(.credentials, "\(path) is too large to be PEM") }
        }
        let error = ERR_peek_error()
        ERR_clear_error()
        if error != 0 {
            throw TLSError(.credentials, "cannot read \(path): \(Platform.message(of: ERR_GET_REASON(error)))")
        }
        self.init(name: path, bytes: contents)
    }

    private static let sizeLimit = 16 << 20

    /// Certificates, at least one, in their order.
    func certificates() throws(TLSError) -> [TLSCertificate] {
        let input = try reader()
        defer { BIO_free(input) }
        var certificates: [TLSCertificate] = []
        while let pointer = PEM_read_bio_X509(input, nil, refusePassphrase, nil) {
            certificates.append(TLSCertificate(adopting: pointer))
        }
        let isAtEnd = OpenSSLError.isEndOfPEM
        let error = OpenSSLError.take()
        if !isAtEnd { throw TLSError(.credentials, "\(name) has a certificate that cannot be read: \(error)") }
        if certificates.isEmpty { throw TLSError(.credentials, "\(name) has no certificate in PEM form\(emptyHint)") }
        return certificates
    }

    /// Lends the first private key to `body`.
    func withPrivateKey<Result>(
        passphrase: String?,
        _ body: (OpaquePointer) throws(TLSError) -> Result
    ) throws(TLSError) -> Result {
        let input = try reader()
        defer { BIO_free(input) }
        let request = PassphraseRequest(passphrase)
        let key = withExtendedLifetime(request) {
            PEM_read_bio_PrivateKey(input, nil, answerPassphrase, Unmanaged.passUnretained(request).toOpaque())
        }
        let error = OpenSSLError.take()
        guard let key else {
            if request.wasAsked && passphrase == nil {
                throw TLSError(.credentials, "the key in \(name) is encrypted, and there is no passphrase")
            }
            if request.wasAsked {
                throw TLSError(.credentials, "the key in \(name) cannot be decrypted: wrong passphrase? (\(error))")
            }
            // OpenSSL only reports that it found nothing it knows.
            let hasKey = String(decoding: bytes, as: UTF8.self).contains("PRIVATE KEY-----")
            if !hasKey { throw TLSError(.credentials, "\(name) has no private key in PEM form\(emptyHint)") }
            throw TLSError(.credentials, "\(name) has a private key that cannot be read: \(error)")
        }
        defer { EVP_PKEY_free(key) }
        return try body(key)
    }

    private var emptyHint: String { bytes.isEmpty ? ": it is empty" : "" }

    private func reader() throws(TLSError) -> OpaquePointer {
        OpenSSL.prepare()
        // A copy, because nothing keeps the array's memory in its place.
        guard let input = BIO_new(BIO_s_mem()) else { throw TLSError(.credentials, "out of memory") }
        if !bytes.isEmpty, BIO_write(input, bytes, Int32(clamping: bytes.count)) != bytes.count {
            BIO_free(input)
            throw TLSError(.credentials, "\(name) is too large")
        }
        return input
    }
}

/// The passphrase, for OpenSSL to ask for.
private final class PassphraseRequest {
    let passphrase: String?
    var wasAsked = false

    init(_ passphrase: String?) { self.passphrase = passphrase }
}

// Without a callback, OpenSSL would ask at the terminal.

private func answerPassphrase(
    _ buffer: UnsafeMutablePointer<CChar>?,
    _ size: Int32,
    _ isEncrypting: Int32,
    _ context: UnsafeMutableRawPointer?
) -> Int32 {
    guard let buffer, let context else { return -1 }
    let request = Unmanaged<PassphraseRequest>.fromOpaque(context).takeUnretainedValue()
    request.wasAsked = true
    guard let bytes = request.passphrase?.utf8, bytes.count <= size else { return -1 }
    for (index, byte) in bytes.enumerated() { buffer[index] = CChar(bitPattern: byte) }
    return Int32(bytes.count)
}

private func refusePassphrase(
    _ buffer: UnsafeMutablePointer<CChar>?,
    _ size: Int32,
    _ isEncrypting: Int32,
    _ context: UnsafeMutableRawPointer?
) -> Int32 {
    -1
}
