// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit

/// When files are read again.
@Suite("TLSContextSource", .unit, .timeLimit(.minutes(1)))
struct TLSContextSourceTests {
    private func context(_ source: TLSContextSource) async throws -> TLSContext {
        let completion = Completion<TLSContextSource.Answer>()
        let request = await source.context { completion.complete($0) }
        let answer = await completion.wait {
            completion.complete(.failure(TLSError(.credentials, "cancelled")))
        }
        return try withExtendedLifetime(request) { try answer.get() }
    }

    @Test("each endpoint has the server name of its own host, unless there is one for all (etcd#11180)")
    func serverNames() throws {
        let endpoints = try Endpoint.list("https://a.example:1,https://b.example:1,https://10.0.0.1:1")
        let own = TLSContextSource(TLSConfiguration())
        #expect(endpoints.map { own.serverName(for: $0.host) } == ["a.example", "b.example", "10.0.0.1"])
        let common = TLSContextSource(TLSConfiguration(serverName: "etcd.example"))
        #expect(endpoints.map { common.serverName(for: $0.host) } == ["etcd.example", "etcd.example", "etcd.example"])
    }

    @Test("a context is kept until a file is written or replaced")
    func changes() async throws {
        let folder = try CertificateFolder()
        let authority = try TestCertificateAuthority()
        let files = try folder.write(authority.issue("one"), "client")
        let tls = TLSConfiguration(
            trustedCertificates: .text(authority.certificate),
            certificateChain: .file(files.certificate),
            privateKey: .file(files.key)
        )
        let source = TLSContextSource(tls)
        let first = try await context(source)
        #expect(try await context(source) === first)

        // An incomplete change: the key is still that of the old certificate.
        let next = try authority.issue("two")
        try folder.write(next.certificate, "client.pem")
        let error = await #expect(throws: TLSError.self) { try await context(source) }
        #expect(error?.kind == .credentials)
        #expect(error?.message.contains("is not that of CN=two") == true)
        try folder.write(next.key, "client-key.pem")
        let second = try await context(source)
        #expect(second !== first)
        #expect(try await context(source) === second)

        // In place, and of the same size.
        try next.certificate.write(toFile: files.certificate, atomically: false, encoding: .utf8)
        #expect(try await context(source) !== second)
    }

    @Test("without files, one context is used for all time")
    func bytes() async throws {
        let authority = try TestCertificateAuthority()
        let source = TLSContextSource(TLSConfiguration(trustedCertificates: .text(authority.certificate)))
        #expect(try await context(source) === context(source))
        let empty = TLSContextSource(TLSConfiguration(trustedCertificates: .text("")))
        let error = await #expect(throws: TLSError.self) { try await context(empty) }
        #expect(error?.message == "tls.trustedCertificates has no certificate in PEM form: it is empty")
    }
}
