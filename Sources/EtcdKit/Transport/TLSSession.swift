// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// One side of a TLS connection, without any I/O: encrypted bytes on one side, plain ones on the other.
///
/// After each call, the owner sends the bytes of ``takeOutput(into:)``: the handshake, encrypted bytes, or an alert.
final class TLSSession {
    private let ssl: OpaquePointer
    // They belong to `ssl`.
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private let context: TLSContext
    private let peer: TLSFailure.Peer
    /// The handshake is done: there may be plain bytes.
    private(set) var isEstablished = false
    private var hasReceived = false
    private var hasFailed = false
    private var isCertificateMissing = false
    /// Why the peer's certificate was not accepted.
    private var distrust: String?

    /// Starts a connection to `serverName`, a DNS name or an IP address that the server's certificate must be for.
    convenience init(_ context: TLSContext, serverName: String) throws(TLSError) {
        // Neither a final dot nor a zone is part of the name in a certificate.
        var name = serverName.prefix { $0 != "%" }
        if name.hasSuffix(".") { name.removeLast() }
        try self.init(context, peer: .server(name: String(name)))
        SSL_set_connect_state(ssl)
        try expect(String(name))
        try shakeHands()
    }

    /// Waits for a client's greeting.
    convenience init(server context: TLSContext) throws(TLSError) {
        try self.init(context, peer: .client)
        SSL_set_accept_state(ssl)
    }

    private init(_ context: TLSContext, peer: TLSFailure.Peer) throws(TLSError) {
        ERR_clear_error()
        self.context = context
        self.peer = peer
        guard let ssl = SSL_new(context.pointer) else { throw TLSError(.credentials, "\(OpenSSLError.take())") }
        let buffers = (BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()))
        guard let incoming = buffers.0, let outgoing = buffers.1 else {
            BIO_free(buffers.0)
            BIO_free(buffers.1)
            SSL_free(ssl)
            throw TLSError(.credentials, "out of memory")
        }
        self.ssl = ssl
        self.incoming = incoming
        self.outgoing = outgoing
        SSL_set_bio(ssl, incoming, outgoing)
        SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit {
        SSL_free(ssl)
        // Other sessions of the thread begin with an empty queue.
        ERR_clear_error()
    }

    /// Makes OpenSSL compare the certificate with `name`.
    private func expect(_ name: String) throws(TLSError) {
        let parameters = SSL_get0_param(ssl)
        if X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1 { return }
        ERR_clear_error()
        // As in Go, only the subject alternative names count, not the subject.
        let flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS
        X509_VERIFY_PARAM_set_hostflags(parameters, UInt32(flags))
        let isAccepted = !name.isEmpty && X509_VERIFY_PARAM_set1_host(parameters, name, 0) == 1
        guard isAccepted, COpenSSL_set_sni(ssl, name) == 1 else {
            ERR_clear_error()
            throw TLSError(.credentials, "\"\(name)\" cannot be the name of a server")
        }
    }

    // MARK: Bytes

    /// Takes encrypted bytes from the peer, which ``read(into:)`` decrypts.
    func receive(_ bytes: UnsafeRawBufferPointer) throws(TLSError) {
        if !hasReceived, let error = TLSFailure.unexpectedGreeting(bytes, of: peer) {
            hasFailed = true
            throw error
        }
        hasReceived = true
        if let start = bytes.baseAddress, !bytes.isEmpty {
            let count = BIO_write(incoming, start, Int32(clamping: bytes.count))
            if count != bytes.count { throw TLSError(.protocolViolation, "TLS: out of memory") }
        }
        if !isEstablished { try shakeHands() }
    }

    /// Decrypts into `buffer`: nil when nothing is there, 0 when the peer has said that nothing more will come.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(TLSError) -> Int? {
        guard isEstablished, !hasFailed else { return nil }
        ERR_clear_error()
        let count = SSL_read(ssl, buffer.baseAddress, Int32(clamping: buffer.count))
        if count > 0 { return Int(count) }
        switch SSL_get_error(ssl, count) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return nil
        case SSL_ERROR_ZERO_RETURN: return 0
        default: throw fail()
        }
    }

    /// Encrypts bytes for the peer, once the session is established.
    func send(_ bytes: [UInt8]) throws(TLSError) {
        guard isEstablished, !hasFailed, !bytes.isEmpty else { return }
        ERR_clear_error()
        // A memory BIO takes everything, so a write is never partial.
        if SSL_write(ssl, bytes, Int32(clamping: bytes.count)) != bytes.count { throw fail() }
    }

    /// Tells the peer that nothing more will be sent.
    func finish() {
        guard isEstablished, !hasFailed else { return }
        ERR_clear_error()
        SSL_shutdown(ssl)
    }

    /// Appends the encrypted bytes for the peer to `output`.
    func takeOutput(into output: inout [UInt8]) {
        withUnsafeTemporaryAllocation(byteCount: 32 << 10, alignment: 16) { buffer in
            while BIO_ctrl_pending(outgoing) > 0 {
                let count = BIO_read(outgoing, buffer.baseAddress, Int32(buffer.count))
                if count <= 0 { return }
                output.append(contentsOf: buffer[..<Int(count)])
            }
        }
    }

    // MARK: Handshake

    private func shakeHands() throws(TLSError) {
        if hasFailed { return }
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        guard result == 1 else {
            switch SSL_get_error(ssl, result) {
            case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return
            default: throw fail()
            }
        }
        isEstablished = true
        if context.role == .http2Client, selectedProtocol != "h2" {
            finish()
            hasFailed = true
            throw TLSFailure.noHTTP2
        }
    }

    /// The certificates that the peer has shown, its own first; none before the handshake is done.
    var peerCertificates: [PeerCertificate] {
        guard isEstablished, let own = SSL_get1_peer_certificate(ssl).map({ TLSCertificate(adopting: $0) }) else {
            return []
        }
        var certificates = [PeerCertificate(own, isLeaf: true)]
        // The chain of a server begins with the server's own certificate, that of a client does not.
        let chain = SSL_get_peer_cert_chain(ssl)
        for index in 0..<max(OPENSSL_sk_num(chain), 0) {
            guard let pointer = OPENSSL_sk_value(chain, index).map({ OpaquePointer($0) }) else { continue }
            if X509_cmp(pointer, own.pointer) == 0 { continue }
            certificates.append(PeerCertificate(TLSCertificate(pointer), isLeaf: false))
        }
        return certificates
    }

    private var selectedProtocol: String {
        var start: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &start, &count)
        return String(decoding: UnsafeBufferPointer(start: start, count: Int(count)), as: UTF8.self)
    }

    /// Notes that the session is over, and says why.
    private func fail() -> TLSError {
        hasFailed = true
        let error = OpenSSLError.take()
        if let distrust { return TLSError(.untrusted, distrust) }
        return TLSFailure.explain(error, isCertificateMissing: isCertificateMissing, peer: peer)
    }

    /// OpenSSL's question for a client certificate, when the server wants one and the context has none.
    static let noteMissingCertificate: ClientCertificateQuestion = { ssl, _, _ in
        guard let session = SSL_get_ex_data(ssl, 0) else { return 0 }
        Unmanaged<TLSSession>.fromOpaque(session).takeUnretainedValue().isCertificateMissing = true
        return 0
    }

    typealias ClientCertificateQuestion =
        @convention(c) (
            _ ssl: OpaquePointer?, UnsafeMutablePointer<OpaquePointer?>?, UnsafeMutablePointer<OpaquePointer?>?
        ) -> Int32

    /// OpenSSL's question after each check of a certificate; the answer stays what OpenSSL thinks.
    static let noteVerification: @convention(c) (Int32, OpaquePointer?) -> Int32 = { isValid, check in
        guard isValid == 0, let check else { return isValid }
        let ssl = X509_STORE_CTX_get_ex_data(check, SSL_get_ex_data_X509_STORE_CTX_idx()).map { OpaquePointer($0) }
        guard let session = SSL_get_ex_data(ssl, 0) else { return isValid }
        Unmanaged<TLSSession>.fromOpaque(session).takeUnretainedValue().noteDistrust(check)
        return isValid
    }

    private func noteDistrust(_ check: OpaquePointer) {
        distrust = TLSFailure.describe(
            X509_STORE_CTX_get_error(check),
            of: X509_STORE_CTX_get_current_cert(check).map { TLSCertificate($0) },
            isLeaf: X509_STORE_CTX_get_error_depth(check) == 0,
            peer: peer,
            trustName: context.trustName
        )
    }
}
