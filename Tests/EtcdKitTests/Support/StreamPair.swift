// SPDX-License-Identifier: Apache-2.0

import EtcdTesting

@testable import EtcdKit

/// Lends both ends of a stream, through a listener of 127.0.0.1.
func withStreamPair(
    client: TLSConfiguration? = nil,
    server: TLSServerConfiguration? = nil,
    _ body: (_ client: ByteStream, _ server: ByteStream) async throws -> Void
) async throws {
    let listener = try await ByteListener.listen(host: "127.0.0.1", port: 0, tls: server)
    defer { listener.close() }
    async let accepted = {
        let stream = try await listener.accept()
        try await stream.handshake(deadline: .now + .seconds(10))
        return stream
    }()
    let near = try await ByteStream.connect(to: listener.endpoint(), tls: client, timeout: .seconds(10))
    let far = try await accepted
    defer {
        near.close()
        far.close()
    }
    try await body(near, far)
}

extension ByteListener {
    /// As `SCHEME127.0.0.1:PORT`.
    nonisolated func endpoint(_ scheme: String = "", host: String = "127.0.0.1") throws -> Endpoint {
        try Endpoint("\(scheme)\(host):\(port)")
    }
}

extension ByteStream {
    /// Reads until there are `count` bytes, or the end.
    nonisolated func read(all count: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try await read(upTo: count - bytes.count, deadline: .now + .seconds(10))
            if more.isEmpty { break }
            bytes += more
        }
        return bytes
    }
}

extension TLSServerConfiguration {
    /// A server with this certificate.
    init(_ certificate: TestCertificate, clientAuthorities: TestCertificateAuthority? = nil) {
        self.init(
            certificateChain: .text(certificate.certificate),
            privateKey: .text(certificate.key),
            clientAuthorities: clientAuthorities.map { .text($0.certificate) }
        )
    }
}

extension TLSConfiguration {
    /// A client that trusts the authority, with this certificate if there is one.
    init(trusting authority: TestCertificateAuthority, as certificate: TestCertificate? = nil) {
        self.init(
            trustedCertificates: .text(authority.certificate),
            certificateChain: certificate.map { .text($0.certificate + $0.key) }
        )
    }
}
