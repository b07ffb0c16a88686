// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import EtcdTesting

/// The server's side of one TLS connection, without I/O: OpenSSL's own server, as the peer of the tests.
final class TLSServerSession {
    struct Options {
        var certificate: TestCertificate
        /// The protocols that the server agrees to by ALPN; nil if it does not know ALPN.
        var protocols: [String]? = ["h2"]
        /// The newest version it speaks, such as `TLS1_1_VERSION`.
        var maximumVersion: Int32 = TLS1_3_VERSION
        /// The authority of clients' certificates, which are then required.
        var clientAuthority: String?
    }

    /// OpenSSL's server cannot be made.
    struct Failure: Error {}

    private let context: OpaquePointer
    private let ssl: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private let protocols: [String]?
    private(set) var isEstablished = false
    private(set) var hasFailed = false
    /// The peer has said that nothing more will come.
    private(set) var isFinished = false
    /// The client's bytes, decrypted.
    private(set) var received: [UInt8] = []

    init(_ options: Options) throws {
        context = try Self.check(SSL_CTX_new(TLS_server_method()))
        ssl = try Self.check(Self.configured(context, options))
        incoming = try Self.check(BIO_new(BIO_s_mem()))
        outgoing = try Self.check(BIO_new(BIO_s_mem()))
        protocols = options.protocols
        SSL_set_bio(ssl, incoming, outgoing)
        SSL_set_accept_state(ssl)
        SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit {
        SSL_free(ssl)
        SSL_CTX_free(context)
        ERR_clear_error()
    }

    /// Takes bytes from the client.
    func receive(_ bytes: [UInt8]) {
        if !bytes.isEmpty { BIO_write(incoming, bytes, Int32(bytes.count)) }
        advance()
    }

    /// The bytes for the client.
    func takeOutput() -> [UInt8] {
        var output = [UInt8](repeating: 0, count: BIO_ctrl_pending(outgoing))
        if !output.isEmpty { BIO_read(outgoing, &output, Int32(output.count)) }
        return output
    }

    func send(_ bytes: [UInt8]) {
        SSL_write(ssl, bytes, Int32(bytes.count))
    }

    /// Sends the closing alert.
    func finish() {
        SSL_shutdown(ssl)
    }

    /// Asks for new keys, as TLS 1.3 lets either side do.
    func updateKeys() {
        SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED)
        SSL_do_handshake(ssl)
    }

    /// Asks for a new handshake on the connection, as TLS 1.2 lets either side do.
    func renegotiate() {
        SSL_renegotiate(ssl)
        SSL_do_handshake(ssl)
    }

    /// The name the client has asked for, if it was a DNS name.
    var requestedName: String? {
        SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) }
    }

    private func advance() {
        ERR_clear_error()
        var result: Int32 = 1
        if !isEstablished {
            result = SSL_do_handshake(ssl)
            isEstablished = result == 1
        }
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while isEstablished {
            result = SSL_read(ssl, &chunk, Int32(chunk.count))
            if result <= 0 { break }
            received += chunk.prefix(Int(result))
        }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_NONE, SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: break
        case SSL_ERROR_ZERO_RETURN: isFinished = true
        default: hasFailed = true
        }
        ERR_clear_error()
    }

    private static func configured(_ context: OpaquePointer, _ options: Options) throws -> OpaquePointer? {
        let certificate = try check(parse(options.certificate.certificate) { PEM_read_bio_X509($0, nil, nil, nil) })
        defer { X509_free(certificate) }
        let key = try check(parse(options.certificate.key) { PEM_read_bio_PrivateKey($0, nil, nil, nil) })
        defer { EVP_PKEY_free(key) }
        SSL_CTX_use_certificate(context, certificate)
        SSL_CTX_use_PrivateKey(context, key)
        // The security level of old versions is 0, and the system forbids them unless told otherwise.
        SSL_CTX_set_security_level(context, options.maximumVersion < TLS1_2_VERSION ? 0 : 1)
        _ = COpenSSL_set_minimum_version(context, TLS1_VERSION)
        _ = COpenSSL_set_maximum_version(context, options.maximumVersion)
        if let authority = options.clientAuthority {
            let trusted = try check(parse(authority) { PEM_read_bio_X509($0, nil, nil, nil) })
            defer { X509_free(trusted) }
            X509_STORE_add_cert(SSL_CTX_get_cert_store(context), trusted)
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        }
        if options.protocols != nil { SSL_CTX_set_alpn_select_cb(context, selectProtocol, nil) }
        return SSL_new(context)
    }

    private static func parse<Pointer>(_ text: String, _ read: (OpaquePointer) -> Pointer?) throws -> Pointer? {
        let input = try check(BIO_new(BIO_s_mem()))
        defer { BIO_free(input) }
        BIO_write(input, text, Int32(text.utf8.count))
        return read(input)
    }

    private static func check<Pointer>(_ pointer: Pointer?) throws -> Pointer {
        guard let pointer else { throw Failure() }
        return pointer
    }

    /// Picks the first protocol of the client that the server has too.
    fileprivate func select(_ offered: UnsafeBufferPointer<UInt8>) -> Range<Int>? {
        var position = 0
        while position < offered.count {
            let range = position + 1..<position + 1 + Int(offered[position])
            let name = String(decoding: offered[range], as: UTF8.self)
            if protocols?.contains(name) == true { return range }
            position = range.upperBound
        }
        return nil
    }
}

private func selectProtocol(
    _ ssl: OpaquePointer?,
    _ output: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ outputLength: UnsafeMutablePointer<UInt8>?,
    _ input: UnsafePointer<UInt8>?,
    _ inputLength: UInt32,
    _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    guard let input, let context = SSL_get_ex_data(ssl, 0) else { return SSL_TLSEXT_ERR_NOACK }
    let session = Unmanaged<TLSServerSession>.fromOpaque(context).takeUnretainedValue()
    let offered = UnsafeBufferPointer(start: input, count: Int(inputLength))
    guard let choice = session.select(offered) else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    output?.pointee = input + choice.lowerBound
    outputLength?.pointee = UInt8(choice.count)
    return SSL_TLSEXT_ERR_OK
}
