// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit

@Suite("Watch: tokens", .cluster, .serialized, .timeLimit(.minutes(2)))
struct WatchAuthTests {
    @Test("a watch outlives its token, and so do new watches on its stream (etcd#11954)")
    func expiredToken() async throws {
        let arguments = ["--auth-token=simple", "--auth-token-ttl=2"]
        try await withAuthenticatingEtcd(arguments) { root, cluster in
            let log = EventLog()
            var configuration = try cluster.configuration(user: "alice")
            log.attach(to: &configuration)
            try await withEtcdClient(configuration) { alice in
                try await alice.withWatch(.key("a/1")) { first in
                    var first = first.makeAsyncIterator()
                    try await root.put("a/1", "before")
                    #expect(try await first.next()?.entry.value == "before")
                    let token = try #require(alice.core.channel.tokens.probableToken ?? nil)
                    // Any use extends a token's life, so it stays unused for longer than etcd keeps it.
                    try await Task.sleep(for: .seconds(5))
                    // The control: etcd has forgotten the token.
                    try await expectRefusal(.invalidToken, of: token, cluster)

                    try await root.put("a/1", "after")
                    #expect(try await first.next()?.entry.value == "after")
                    try await alice.withWatch(.key("a/2")) { second in
                        try await root.put("a/2", "new")
                        var second = second.makeAsyncIterator()
                        #expect(try await second.next()?.entry.value == "new")
                    }
                    #expect(log.authentications == 2)
                }
            }
        }
    }

    @Test("a watch and calls go on after a change of roles makes JSON web tokens old", .enabled(if: KeyPair.isPossible))
    func oldRevision() async throws {
        let keys = try KeyPair()
        defer { keys.remove() }
        try await withAuthenticatingEtcd([keys.argument]) { root, cluster in
            let log = EventLog()
            var configuration = try cluster.configuration(user: "alice")
            log.attach(to: &configuration)
            try await withEtcdClient(configuration) { alice in
                try await alice.withWatch(.key("a/1")) { first in
                    let token = try #require(alice.core.channel.tokens.probableToken ?? nil)
                    try await AuthSetup(client: root).grant("alice", .prefix("b/"))
                    try await expectRefusal(.staleToken, of: token, cluster)

                    try await alice.withWatch(.key("b/1")) { second in
                        try await alice.put("b/1", "x")
                        try await alice.put("a/1", "x")
                        for events in [first, second] {
                            var iterator = events.makeAsyncIterator()
                            #expect(try await iterator.next()?.entry.value == "x")
                        }
                    }
                    #expect(log.authentications == 2)
                }
            }
        }
    }

    @Test("a denied watch ends with a typed error, and its siblings on the stream go on (etcd#11708)")
    func denial() async throws {
        try await withAuthenticatingEtcd { root, cluster in
            let log = EventLog()
            var configuration = try cluster.configuration(user: "alice")
            log.attach(to: &configuration)
            try await withEtcdClient(configuration) { alice in
                try await alice.withWatch(.prefix("a/")) { allowed in
                    for key in ["b", "c", "d"] as [Key] {
                        await expectError(.permissionDenied) { try await alice.withWatch(.key(key)) { _ in } }
                        await expectError(.permissionDenied) { for try await _ in alice.watch(.key(key)) {} }
                    }
                    try await root.put("b", "secret")
                    try await root.put("a/1", "open")
                    var iterator = allowed.makeAsyncIterator()
                    #expect(try await iterator.next()?.entry.value == "open")
                    #expect(log.resumptions.isEmpty)
                    // After the first denial came one fresh token, the others were final.
                    #expect(log.authentications == 2)
                }
            }
        }
    }

    @Test("a wrong password ends a watch")
    func wrongPassword() async throws {
        try await withAuthenticatingEtcd { _, cluster in
            var configuration = try cluster.configuration(user: "alice")
            configuration.credentials = .user("alice", password: "wrong")
            try await withEtcdClient(configuration) { client in
                await expectError(.authenticationFailed) { try await client.withWatch(.key("a/1")) { _ in } }
                await expectError(.authenticationFailed) { for try await _ in client.watch(.key("a/1")) {} }
            }
        }
    }

    /// Expects that etcd refuses a watch with just this token.
    private func expectRefusal(_ code: EtcdError.Code, of token: AuthToken, _ cluster: EtcdCluster) async throws {
        var configuration = try cluster.configuration(user: "alice")
        configuration.credentials = .token(token.text)
        try await withEtcdClient(configuration) { client in
            await expectError(code) { try await client.withWatch(.key("a/1")) { _ in } }
        }
    }
}

/// An RSA key pair in files, with which etcd signs tokens.
private struct KeyPair {
    private static let program = "/usr/bin/openssl"
    static var isPossible: Bool { FileManager.default.isExecutableFile(atPath: program) }

    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "keys-\(UInt64.random(in: .min ... .max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try run("genrsa", "-out", path("private.pem"), "2048")
        try run("rsa", "-in", path("private.pem"), "-pubout", "-out", path("public.pem"))
    }

    var argument: String {
        "--auth-token=jwt,pub-key=\(path("public.pem")),priv-key=\(path("private.pem")),sign-method=RS256,ttl=10m"
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    private func path(_ name: String) -> String { folder.appending(path: name).path }

    private func run(_ arguments: String...) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.program)
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }
}
