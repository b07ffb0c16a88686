// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

/// The TLS session against OpenSSL's server, in memory.
@Suite("TLSSession", .measurement, .timeLimit(.minutes(1)))
struct TLSSessionTests {
    private static let authority = Result { try TestCertificateAuthority() }

    /// A client and a server that are not connected yet.
    private func pair(
        serverName: String = "localhost",
        certificate: TestCertificate? = nil,
        clientCertificate: TestCertificate? = nil,
        _ configure: (inout TLSServerSession.Options) -> Void = { _ in }
    ) throws -> (client: TLSSession, server: TLSServerSession) {
        let authority = try Self.authority.get()
        var options = TLSServerSession.Options(certificate: try certificate ?? authority.issue("server"))
        configure(&options)
        var tls = TLSConfiguration(trustedCertificates: .text(authority.certificate))
        tls.certificateChain = clientCertificate.map { .text($0.certificate + $0.key) }
        let context = try TLSContext(tls.material())
        return (try TLSSession(context, serverName: serverName), try TLSServerSession(options))
    }

    /// Carries bytes both ways, `size` of them at a time, until there are no more; returns what the client has read.
    @discardableResult
    private func exchange(_ client: TLSSession, _ server: TLSServerSession, by size: Int = .max) throws -> [UInt8] {
        var plain: [UInt8] = []
        while true {
            var toServer: [UInt8] = []
            client.takeOutput(into: &toServer)
            for chunk in toServer.chunks(of: size) { server.receive(chunk) }
            let toClient = server.takeOutput()
            for chunk in toClient.chunks(of: size) { plain += try feed(client, chunk) }
            if toServer.isEmpty && toClient.isEmpty { return plain }
        }
    }

    @discardableResult
    private func feed(_ client: TLSSession, _ bytes: [UInt8]) throws -> [UInt8] {
        try bytes.withUnsafeBytes { try client.receive($0) }
        var plain: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1000)
        while let count = try buffer.withUnsafeMutableBytes({ try client.read(into: $0) }), count > 0 {
            plain += buffer.prefix(count)
        }
        return plain
    }

    private func failure(_ client: TLSSession, _ server: TLSServerSession) -> TLSError? {
        #expect(throws: TLSError.self) { try exchange(client, server) }
    }

    @Test("bytes go both ways, whatever pieces they arrive in", arguments: [1, 7, 1000, .max], [TLS.v12, .v13])
    func roundTrip(pieces: Int, version: TLS) throws {
        let (client, server) = try pair { $0.maximumVersion = version.rawValue }
        try exchange(client, server, by: pieces)
        #expect(client.isEstablished && server.isEstablished)
        #expect(server.requestedName == "localhost")
        let message = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        try client.send(message)
        server.send(message)
        #expect(try exchange(client, server, by: pieces) == message)
        #expect(server.received == message)
    }

    @Test("nothing can be read or sent before the handshake is done")
    func early() throws {
        let (client, server) = try pair()
        try client.send([1, 2, 3])
        #expect(try feed(client, []).isEmpty)
        try exchange(client, server)
        #expect(server.received.isEmpty)
    }

    @Test("both sides send and understand the closing alert")
    func ending() throws {
        let (client, server) = try pair()
        try exchange(client, server)
        client.finish()
        try exchange(client, server)
        #expect(server.isFinished)

        let (other, peer) = try pair()
        try exchange(other, peer)
        peer.finish()
        let farewell = peer.takeOutput()
        try farewell.withUnsafeBytes { try other.receive($0) }
        var buffer = [UInt8](repeating: 0, count: 10)
        #expect(try buffer.withUnsafeMutableBytes { try other.read(into: $0) } == 0)
    }

    @Test("new keys are accepted, a new handshake is refused")
    func newKeys() throws {
        let (client, server) = try pair()
        try exchange(client, server)
        server.updateKeys()
        server.send([1])
        #expect(try exchange(client, server) == [1])
        try client.send([2])
        try exchange(client, server)
        #expect(server.received == [2])

        let (old, oldServer) = try pair { $0.maximumVersion = TLS.v12.rawValue }
        try exchange(old, oldServer)
        oldServer.renegotiate()
        _ = try? exchange(old, oldServer)
        #expect(oldServer.hasFailed)
    }

    @Test("an IP address is not sent as a server name, and must be among the certificate's addresses")
    func address() throws {
        for name in ["127.0.0.1", "::1", "::1%lo"] {
            let (client, server) = try pair(serverName: name)
            try exchange(client, server)
            #expect(client.isEstablished && server.requestedName == nil)
        }
        let (client, server) = try pair(serverName: "10.0.0.1")
        let error = failure(client, server)
        #expect(error?.kind == .untrusted)
        #expect(error?.message.contains("is not for 10.0.0.1, only for DNS:localhost, IP Address:127.0.0.1") == true)
    }

    @Test("a certificate with the name in its subject only is refused")
    func noNames() throws {
        let (client, server) = try pair(certificate: Self.authority.get().issue("localhost", hosts: [], addresses: []))
        #expect(failure(client, server)?.message.contains("names no host at all") == true)
    }

    @Test("an impossible server name is refused", arguments: ["", ".", String(repeating: "x", count: 300)])
    func impossibleName(name: String) throws {
        #expect(throws: TLSError.self) { try pair(serverName: name) }
    }

    @Test(
        "a certificate that is expired or not valid yet is refused",
        arguments: [(.expired, "has expired: it was valid until"), (.future, "is not valid yet: it will be from")]
            as [(TestCertificateAuthority.Validity, String)]
    )
    func time(validity: TestCertificateAuthority.Validity, message: String) throws {
        let (client, server) = try pair(certificate: Self.authority.get().issue("server", validity: validity))
        let error = failure(client, server)
        #expect(error?.kind == .untrusted)
        #expect(error?.message.contains("the server's certificate (CN=server) \(message)") == true)
        // The server gets an alert.
        var alert: [UInt8] = []
        client.takeOutput(into: &alert)
        server.receive(alert)
        #expect(server.hasFailed)
    }

    @Test("unknown authorities and self-signed certificates are named")
    func unknownAuthority() throws {
        let stranger = try TestCertificateAuthority("stranger")
        let (client, server) = try pair(certificate: stranger.issue("server"))
        let error = failure(client, server)
        #expect(error?.kind == .untrusted)
        #expect(error?.message.contains("unknown authority: CN=stranger") == true)
        #expect(error?.message.contains("is not in tls.trustedCertificates") == true)
    }

    @Test("a server must agree to HTTP/2", arguments: [["http/1.1"], nil] as [[String]?])
    func noHTTP2(protocols: [String]?) throws {
        let (client, server) = try pair { $0.protocols = protocols }
        let error = failure(client, server)
        #expect(error?.kind == .protocolViolation)
        #expect(error?.message.contains("HTTP/2") == true)
    }

    @Test("a server with old versions only is refused")
    func oldVersion() throws {
        let (client, server) = try pair { $0.maximumVersion = TLS.v11.rawValue }
        #expect(failure(client, server)?.message.contains("1.2") == true)
    }

    @Test("a server's refusal of the client's certificate, or of none, is understood", arguments: [TLS.v12, .v13])
    func clientRefused(version: TLS) throws {
        let authority = try Self.authority.get()
        func error(_ certificate: TestCertificate?) throws -> TLSError? {
            let (client, server) = try pair(clientCertificate: certificate) {
                $0.maximumVersion = version.rawValue
                $0.clientAuthority = authority.certificate
            }
            return failure(client, server)
        }
        #expect(try error(nil)?.message.contains("wants a client certificate, and none is configured") == true)
        let expired = try error(authority.issue("client", validity: .expired))
        #expect(expired?.kind == .untrusted)
        #expect(expired?.message.contains("rejects the client certificate: certificate expired") == true)
        let foreign = try error(TestCertificateAuthority().issue("client"))
        #expect(foreign?.message.contains("rejects the client certificate: unknown CA") == true)
        let (client, server) = try pair(clientCertificate: authority.issue("client")) {
            $0.maximumVersion = version.rawValue
            $0.clientAuthority = authority.certificate
        }
        try exchange(client, server)
        #expect(client.isEstablished && server.isEstablished)
    }

    @Test("a peer that does not speak TLS is recognized", arguments: ["HTTP/1.1 400 Bad", "\0\0\u{6}\u{4}", "x"])
    func plaintext(greeting: String) throws {
        let (client, _) = try pair()
        let error = #expect(throws: TLSError.self) { try feed(client, Array(greeting.utf8)) }
        #expect(error?.message.contains("http://") == true)
    }

    @Test(
        "sessions leave no memory behind, whether they succeed or fail",
        .enabled(if: ProcessFigures.areAvailable && !ProcessFigures.isThreadSanitized)
    )
    func memory() throws {
        func run(_ count: Int) throws {
            for round in 0..<count {
                let (client, server) = try pair(serverName: round % 2 == 0 ? "localhost" : "other")
                _ = try? exchange(client, server)
                #expect(client.isEstablished == (round % 2 == 0))
            }
        }
        try run(300)
        ProcessFigures.releaseFreeMemory()
        let before = ProcessFigures.residentMemory
        try run(1000)
        ProcessFigures.releaseFreeMemory()
        // A session alone is over 20 kB.
        #expect(ProcessFigures.residentMemory - before < 6 << 20)
    }

    // MARK: Hostile bytes

    @Test("random and damaged bytes lead to errors, and nothing worse", arguments: 0..<8)
    func fuzz(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for round in 0..<60 {
            let (client, server) = try pair()
            if round % 3 == 0 { try exchange(client, server) }
            for _ in 0..<20 {
                var hello: [UInt8] = []
                client.takeOutput(into: &hello)
                server.receive(hello)
                server.send([1, 2, 3])
                var bytes = server.takeOutput()
                if bytes.isEmpty { bytes = (0..<50).map { _ in .random(in: 0...255, using: &random) } }
                for _ in 0..<Int.random(in: 0...3, using: &random) {
                    let index = Int.random(in: 0..<bytes.count, using: &random)
                    bytes[index] = .random(in: 0...255, using: &random)
                }
                bytes.removeLast(Int.random(in: 0...min(3, bytes.count), using: &random))
                do { try feed(client, bytes) } catch is TLSError { break }
                try? client.send([4, 5, 6])
            }
            client.finish()
            _ = try? feed(client, [0x17, 3, 3, 0, 1, 0])
        }
    }
}

/// Versions by OpenSSL's numbers.
enum TLS: Int32 {
    case v11 = 0x302
    case v12 = 0x303
    case v13 = 0x304
}

extension [UInt8] {
    fileprivate func chunks(of size: Int) -> [[UInt8]] {
        var chunks: [[UInt8]] = []
        var rest = self[...]
        while !rest.isEmpty {
            chunks.append(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        return chunks
    }
}
