// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit

/// Snapshots that fail, none of which may leave a file behind.
@Suite("Maintenance: snapshots that fail", .cluster, .timeLimit(.minutes(1)))
@EventLoop
struct SnapshotFaultTests {
    private static let database = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }

    private static var digest: [UInt8] {
        let sum = SHA256()
        sum.update(database[...])
        return sum.finish() ?? []
    }

    /// Takes a snapshot from a server that sends `parts` and then ends the stream, and returns the files in the folder.
    private func snapshot(_ parts: [[UInt8]], ends: Bool = true) async throws -> [String: Int] {
        let server = try FakeServer { exchange in
            exchange.send(HTTP2ServerExchange.grpcHeaders)
            for part in parts {
                var response = Wire.SnapshotResponse()
                response.blob = part
                exchange.send(response)
            }
            if ends { exchange.end(trailers: [("grpc-status", "0")]) }
        }
        let client = try server.client().with(timeout: .seconds(1))
        let endpoint = try Endpoint(server.address)
        return try await withTemporaryFolder { folder in
            let result: Result<SnapshotProgress, any Error>
            do {
                result = .success(try await client.maintenance.snapshot(from: endpoint, to: "\(folder)/snapshot"))
            } catch {
                result = .failure(error)
            }
            await client.close()
            server.stop()
            let names = try contents(of: folder)
            if case .failure = result { #expect(names == []) }
            _ = try result.get()
            return try Dictionary(
                uniqueKeysWithValues: names.map { name in
                    (name, try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")).count)
                }
            )
        }
    }

    @Test("the digest is SHA-256")
    func sha256() {
        let sum = SHA256()
        for byte in Array("abc".utf8) { sum.update([byte]) }
        #expect(
            sum.finish()?.hexDigits == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        )
        #expect(sum.finish() == nil)
        #expect(SHA256().finish()?.hexDigits.hasPrefix("e3b0c44298fc1c14") == true)
    }

    @Test("control: a snapshot that matches its digest is kept, however it is split")
    func whole() async throws {
        let (database, digest) = (Self.database, Self.digest)
        let cuts: [[[UInt8]]] = [
            [database, digest],
            [database + digest],
            [Array(database[..<50_000]), Array(database[50_000...]) + digest[..<5], [], Array(digest[5...])],
            [Array(database.dropLast(8))] + (database + digest).suffix(40).map { [$0] },
        ]
        for parts in cuts {
            #expect(try await snapshot(parts) == ["snapshot": database.count + 32])
        }
    }

    @Test("a snapshot with changed or missing bytes is refused")
    func damaged() async throws {
        let (database, digest) = (Self.database, Self.digest)
        var flipped = database
        flipped[70_000] ^= 1
        var wrongDigest = digest
        wrongDigest[31] ^= 0x80
        for parts in [
            [flipped, digest], [database, wrongDigest], [database], [digest, database], [digest], [], [[]],
            [Array(database.dropLast()), digest], [database, digest, [0]], [database, Array(digest.dropLast())],
        ] {
            await expectError(.snapshotDamaged) { try await snapshot(parts) }
        }
    }

    @Test("a member may announce any size", arguments: [0, 1, .max - 40, .max] as [UInt64])
    func announcedSize(rest: UInt64) async throws {
        let server = try FakeServer { exchange in
            var response = Wire.SnapshotResponse()
            response.remainingBytes = rest
            response.blob = Self.database + Self.digest
            exchange.answer(with: response)
        }
        let client = try server.client()
        for try await chunk in client.maintenance.snapshotChunks(from: try Endpoint(server.address)) {
            let size = Int64(Self.database.count + Self.digest.count)
            #expect(chunk.progress.bytesReceived == size)
            #expect(chunk.progress.bytesTotal == (rest > 1 ? .max : size + Int64(rest) + 32))
        }
        await client.close()
        server.stop()
    }

    @Test("a member that falls silent during a snapshot is given up")
    func silent() async throws {
        await expectError(.deadlineExceeded) { try await snapshot([Self.database], ends: false) }
    }

    @Test("a snapshot whose connection is cut at any place is refused", arguments: [1_000, 300_000, 1_500_000])
    func cut(afterBytes count: Int) async throws {
        try await withPrivateEtcd { client, cluster in
            try await client.fill(megabytes: 2)
            try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                let endpoint = try Endpoint(proxy.endpoint)
                try await withTemporaryFolder { folder in
                    await proxy.cut(afterBytes: count, .toClient)
                    await expectError(.unavailable) {
                        try await client.with(retry: .never).maintenance.snapshot(from: endpoint, to: "\(folder)/s")
                    }
                    #expect(try contents(of: folder) == [])
                    // The control: there was one cut.
                    try await client.maintenance.snapshot(from: endpoint, to: "\(folder)/s")
                    #expect(try contents(of: folder) == ["s"])
                }
            }
        }
    }

    @Test("a snapshot that is cancelled, or whose client is closed, ends at once", arguments: [true, false])
    func cancelled(isTaskCancelled: Bool) async throws {
        try await withPrivateEtcd { client, cluster in
            try await client.fill(megabytes: 2)
            try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                await proxy.limit(bytesPerSecond: 500_000, .toClient)
                let endpoint = try Endpoint(proxy.endpoint)
                try await withTemporaryFolder { folder in
                    let arrived = Lock<Int64>(0)
                    let task = Task {
                        try await client.maintenance.snapshot(from: endpoint, to: "\(folder)/s") { progress in
                            arrived.withLock { $0 = progress.bytesReceived }
                        }
                    }
                    try await eventually("some of it is here") { arrived.withLock { $0 } > 100_000 }
                    #expect(try contents(of: folder).count == 1)
                    let start = ContinuousClock.now
                    if isTaskCancelled { task.cancel() } else { await client.close() }
                    await expectError(isTaskCancelled ? .cancelled : .unavailable) { try await task.value }
                    #expect(.now - start < .seconds(1))
                    #expect(try contents(of: folder) == [])
                    try await eventually("it has ended at the server too") {
                        await proxy.counters.openConnections == 0
                    }
                }
            }
        }
    }

    @Test("a refused token is renewed once for a snapshot")
    func token() async throws {
        var tokens = 0
        let server = try FakeServer { exchange in
            if exchange.headers[":path"] == Wire.authenticate.path {
                tokens += 1
                return exchange.answer(with: Wire.AuthenticateResponse(token: "token-\(tokens)"))
            }
            if exchange.headers["token"] == "token-1" {
                return exchange.refuse(.unauthenticated, "etcdserver: invalid auth token")
            }
            var response = Wire.SnapshotResponse()
            response.blob = Self.database + Self.digest
            exchange.answer(with: response)
        }
        let client = try server.client { $0.credentials = .user("root", password: "secret") }
        var size = 0
        for try await chunk in client.maintenance.snapshotChunks(from: try Endpoint(server.address)) {
            size += chunk.bytes.count
        }
        #expect(size == Self.database.count + 32)
        #expect(tokens == 2)
        await client.close()
        server.stop()
    }
}
