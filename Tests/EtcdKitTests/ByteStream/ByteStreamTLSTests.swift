// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit

/// Streams of bytes over TLS: which certificates are trusted, and the errors of those that are not.
@Suite("ByteStream: over TLS", .unit, .timeLimit(.minutes(1)))
struct ByteStreamTLSTests {
    private static let authority = Result { try TestCertificateAuthority() }

    /// The reports of the client's and the server's end: nil for both if a byte goes each way.
    private func outcome(
        _ client: TLSConfiguration?,
        _ server: TLSServerConfiguration,
        scheme: String = "",
        host: String = "127.0.0.1"
    ) async throws -> (client: ByteStreamError?, server: ByteStreamError?) {
        let listener = try await ByteListener.listen(host: "127.0.0.1", port: 0, tls: server)
        defer { listener.close() }
        async let far = failure {
            let stream = try await listener.accept()
            try await stream.handshake(deadline: .now + .seconds(10))
            try await stream.write(try await stream.read())
            stream.close()
        }
        let near = try await failure {
            let stream = try await ByteStream.connect(
                to: listener.endpoint(scheme, host: host),
                tls: client,
                timeout: .seconds(10)
            )
            try await stream.write([1])
            if try await stream.read() != [1] { throw ByteStreamError(.reset, "no answer") }
            stream.close()
        }
        return (near, try await far)
    }

    private func failure(_ body: () async throws -> Void) async throws -> ByteStreamError? {
        do { try await body() } catch let error as ByteStreamError { return error }
        return nil
    }

    @Test("a server is trusted only if its authority, its name and its validity period fit")
    func trust() async throws {
        let authority = try Self.authority.get()
        let tls = TLSConfiguration(trusting: authority)
        // The control.
        let good = try await outcome(tls, .init(authority.issue("server")))
        #expect(good.client == nil && good.server == nil)

        let stranger = try await outcome(tls, .init(TestCertificateAuthority("stranger").issue("server")))
        #expect(stranger.client?.reason == .tls)
        #expect(stranger.client?.message.contains("unknown authority: CN=stranger") == true)
        #expect(stranger.server?.reason == .tls)
        #expect(stranger.server?.message == "the client rejects the server certificate: unknown CA")

        let named = try authority.issue("server", hosts: ["a.example"], addresses: [])
        let wrongName = try await outcome(tls, .init(named))
        #expect(wrongName.client?.message.contains("is not for 127.0.0.1, only for DNS:a.example") == true)
        var renamed = tls
        renamed.serverName = "a.example"
        #expect(try await outcome(renamed, .init(named)).client == nil)

        let expired = try await outcome(tls, .init(authority.issue("server", validity: .expired)))
        #expect(expired.client?.reason == .tls)
        #expect(expired.client?.message.contains("has expired: it was valid until") == true)
        var careless = tls
        careless.dangerouslySkipsVerification = true
        #expect(try await outcome(careless, .init(authority.issue("server", validity: .expired))).client == nil)
    }

    @Test("a server with authorities for clients lets in those with their certificate")
    func clients() async throws {
        let authority = try Self.authority.get()
        let server = TLSServerConfiguration(try authority.issue("server"), clientAuthorities: authority)
        func outcome(_ certificate: TestCertificate?) async throws -> (ByteStreamError?, ByteStreamError?) {
            try await self.outcome(.init(trusting: authority, as: certificate), server)
        }
        let good = try await outcome(authority.issue("client"))
        #expect(good.0 == nil && good.1 == nil)

        let none = try await outcome(nil)
        #expect(none.0?.message.contains("wants a client certificate, and none is configured") == true)
        #expect(none.1?.message == "the client has no certificate, and one is required")
        let foreign = try await outcome(TestCertificateAuthority("stranger").issue("client"))
        #expect(foreign.0?.message == "the server rejects the client certificate: unknown CA")
        #expect(foreign.1?.message.contains("the client's certificate (CN=client) is of an unknown authority") == true)
        let expired = try await outcome(authority.issue("client", validity: .expired))
        #expect(expired.0?.message == "the server rejects the client certificate: certificate expired")
        #expect(expired.1?.message.contains("the client's certificate (CN=client) has expired") == true)
        for error in [none, foreign, expired] { #expect(error.0?.reason == .tls && error.1?.reason == .tls) }
    }

    @Test("TLS is used if the scheme or the configuration requires it")
    func schemes() async throws {
        let authority = try Self.authority.get()
        let server = TLSServerConfiguration(try authority.issue("server"))
        let tls = TLSConfiguration(trusting: authority)
        #expect(try await outcome(tls, server, scheme: "https://").client == nil)
        #expect(try await outcome(tls, server, host: "localhost").client == nil)
        // The system's authorities, without ours.
        #expect(
            try await outcome(nil, server, scheme: "https://").client?.message.contains("unknown authority") == true
        )
        let plain = try await outcome(tls, server, scheme: "http://")
        #expect(plain.client != nil)
        #expect(plain.server?.message == "the client does not speak TLS here")
    }

    @Test(
        "the error names a server that does not speak TLS or hangs up; a silent server takes no more than the timeout"
    )
    func wrongServers() async throws {
        let listener = try await ByteListener.listen(host: "127.0.0.1", port: 0)
        defer { listener.close() }
        let endpoint = try listener.endpoint("https://")
        async let served: Void = {
            let first = try await listener.accept()
            try await first.write(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))
            try await listener.accept().close()
            _ = first
        }()
        await expect(.tls, saying: "does not speak TLS here") {
            _ = try await ByteStream.connect(to: endpoint, timeout: .seconds(10))
        }
        await expect(.reset) { _ = try await ByteStream.connect(to: endpoint, timeout: .seconds(10)) }
        try await served
        await expect(.timedOut) { _ = try await ByteStream.connect(to: endpoint, timeout: .milliseconds(100)) }
    }

    @Test("the addresses of a name are tried until one of them is trusted")
    func addresses() async throws {
        let authority = try Self.authority.get()
        let stranger = try TLSServerConfiguration(TestCertificateAuthority().issue("server"))
        let bad = try await ByteListener.listen(host: "127.0.0.1", port: 0, tls: stranger)
        let good = try await ByteListener.listen(host: "127.0.0.1", port: 0, tls: .init(authority.issue("server")))
        defer {
            bad.close()
            good.close()
        }
        func connect(to ports: [UInt16]) async throws -> ByteStream {
            try await ByteStream.connect(
                to: Endpoint("https://localhost:1"),
                tls: TLSContextSource(forStreams: TLSConfiguration(trusting: authority)),
                timeout: .seconds(10),
                resolver: HostResolver { _, _ in .success(ports.compactMap { try? loopback(port: $0) }) }
            )
        }
        async let served: Void = {
            try? await bad.accept().handshake()
            try await good.accept().handshake()
        }()
        let stream = try await connect(to: [1, bad.port, good.port])
        #expect(stream.remoteAddress == "127.0.0.1:\(good.port)")
        try await served
        // The error has the reason of each address.
        async let refused: Void? = try? bad.accept().handshake()
        await expect(.tls, saying: "127.0.0.1:1: connect: Connection refused, 127.0.0.1:\(bad.port): the server's") {
            _ = try await connect(to: [1, bad.port])
        }
        _ = await refused
    }

    @Test("a silent client delays neither the next client nor its own handler for ever")
    func silentClient() async throws {
        let authority = try Self.authority.get()
        let listener = try await ByteListener.listen(host: "127.0.0.1", port: 0, tls: .init(authority.issue("server")))
        defer { listener.close() }
        let silent = try await ByteStream.connect(to: listener.endpoint("http://"), timeout: .seconds(10))
        let waiting = try await listener.accept()
        async let served: Void = {
            let stream = try await listener.accept()
            try await stream.write([1])
            _ = try await stream.read()
        }()
        let tls = TLSConfiguration(trusting: authority)
        let client = try await ByteStream.connect(to: listener.endpoint(), tls: tls, timeout: .seconds(10))
        #expect(try await client.read() == [1])
        client.close()
        try await served
        await expect(.timedOut, saying: "TLS handshake") {
            try await waiting.handshake(deadline: .now + .milliseconds(50))
        }
        // A second try, now with a client that sends bytes.
        try await silent.write(Array("GET / HTTP/1.1\r\n\r\n".utf8))
        await expect(.tls, saying: "the client does not speak TLS here") { try await waiting.handshake() }
    }

    @Test("both ends see the certificate of the peer, and when it expires")
    func certificates() async throws {
        let authority = try Self.authority.get()
        let certificate = try authority.issue("server")
        let server = TLSServerConfiguration(
            certificateChain: .text(certificate.certificate + authority.certificate),
            privateKey: .text(certificate.key),
            clientAuthorities: .text(authority.certificate)
        )
        let client = try TLSConfiguration(trusting: authority, as: authority.issue("client"))
        try await withStreamPair(client: client, server: server) { near, far in
            let shown = near.peerCertificates
            #expect(shown.map(\.isLeaf) == [true, false])
            #expect(shown.first?.subject == "CN=server")
            #expect(shown.last?.subject.contains("EtcdTesting authority") == true)
            #expect(far.peerCertificates.first?.subject == "CN=client")
            // Issued a moment ago, for a day.
            let tomorrow = Date().timeIntervalSince1970 + 24 * 3600
            for certificate in shown { #expect(abs(certificate.notAfter - tomorrow) < 600) }
            let own = try client.certificates()
            #expect(far.peerCertificates.first == own.first && own.count == 1)
        }
        #expect(try TLSConfiguration().certificates().isEmpty)
        let expired = try authority.issue("client", validity: .expired)
        let end = try #require(TLSConfiguration(trusting: authority, as: expired).certificates().first?.notAfter)
        #expect(abs(end - (Date().timeIntervalSince1970 - 3600)) < 600)
        let short = try authority.issue("client", validity: .ending(inDays: 10))
        let deadline = try #require(TLSConfiguration(trusting: authority, as: short).certificates().first?.notAfter)
        #expect(abs(deadline - (Date().timeIntervalSince1970 + 10 * 86_400)) < 600)
        let error = #expect(throws: EtcdError.self) {
            try TLSConfiguration(certificateChain: .file("/nowhere.pem")).certificates()
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("/nowhere.pem") == true)
    }

    @Test(
        "a server loads new certificates when its files change, and keeps the old ones while the new ones are invalid"
    )
    func rotation() async throws {
        let authority = try Self.authority.get()
        let folder = try CertificateFolder()
        let files = try folder.write(authority.issue("one"), "server")
        let server = TLSServerConfiguration(certificateChain: .file(files.certificate), privateKey: .file(files.key))
        let listener = try await ByteListener.listen(host: "127.0.0.1", port: 0, tls: server)
        defer { listener.close() }
        let source = TLSContextSource(forStreams: TLSConfiguration(trusting: authority))
        func subject() async throws -> String? {
            async let served: Void = {
                let stream = try await listener.accept()
                try await stream.handshake()
                _ = try await stream.read()
            }()
            let client = try await ByteStream.connect(to: listener.endpoint(), tls: source, timeout: .seconds(10))
            client.close()
            try await served
            return client.peerCertificates.first?.subject
        }
        #expect(try await subject() == "CN=one")
        let next = try authority.issue("two")
        try folder.write(next.certificate, "server.pem")
        // Its key is still missing.
        #expect(try await subject() == "CN=one")
        try folder.write(next.key, "server-key.pem")
        #expect(try await subject() == "CN=two")
    }

    @Test("the error at the start of a server names certificates that cannot be used")
    func badServer() async throws {
        await expect(.misconfigured, saying: "cannot read /nowhere.pem") {
            _ = try await ByteListener.listen(
                host: "127.0.0.1",
                port: 0,
                tls: .init(certificateChain: .file("/nowhere.pem"))
            )
        }
        let authority = try Self.authority.get()
        let mismatch = TLSServerConfiguration(
            certificateChain: .text(try authority.issue("one").certificate),
            privateKey: .text(try authority.issue("two").key)
        )
        await expect(.misconfigured, saying: "is not that of CN=one") {
            _ = try await ByteListener.listen(host: "127.0.0.1", port: 0, tls: mismatch)
        }
        let secret = TLSServerConfiguration(certificateChain: .text("SECRET"), passphrase: "SECRET")
        #expect(!"\(secret)".contains("SECRET") && !String(reflecting: secret).contains("SECRET"))
    }

    @Test("TLS can begin in the middle of a stream, as STARTTLS does")
    func startTLS() async throws {
        let authority = try Self.authority.get()
        let context = try TLSContext(TLSServerConfiguration(authority.issue("mail")).material)
        for name in ["localhost", "other"] {
            try await withStreamPair { client, server in
                async let served = failure {
                    #expect(try await server.read() == Array("STARTTLS".utf8))
                    try await server.write(Array("220".utf8))
                    try await server.begin(context)
                    try await server.write(try await server.read())
                }
                try await client.write(Array("STARTTLS".utf8))
                #expect(try await client.read() == Array("220".utf8))
                let error = try await failure {
                    try await client.secure(with: .init(trusting: authority), serverName: name)
                    try await client.write([1])
                    #expect(try await client.read() == [1])
                    #expect(client.peerCertificates.map(\.subject) == ["CN=mail"])
                }
                #expect(error?.message.contains("is not for other") == (name == "other" ? true : nil))
                client.close()
                #expect((try await served == nil) == (name == "localhost"))
                // TLS cannot begin twice.
                await expect(name == "localhost" ? .closed : .tls) {
                    try await client.secure(with: .init(trusting: authority), serverName: name)
                }
            }
        }
    }
}
