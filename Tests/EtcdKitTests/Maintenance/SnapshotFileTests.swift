// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdKit

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Faults of the file system, which affect the whole process for a moment, so the tests run one at a time.
@Suite("Maintenance: the file of a snapshot on a bad disk", .unit, .serialized, .timeLimit(.minutes(1)))
struct SnapshotFileTests {
    private func bytes(of path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }

    @Test("a file that has its final name is never removed, also if its folder cannot be synchronized")
    func synchronization() async throws {
        try await withTemporaryFolder { folder in
            let path = "\(folder)/snapshot"
            try SnapshotFile.replace(path, with: [1])
            #expect(throws: EtcdError.self) {
                try SnapshotFile.replace(path, with: [2]) { _ throws(SystemError) in
                    throw SystemError(call: "fsync", number: EIO)
                }
            }
            #expect(try contents(of: folder) == ["snapshot"])
            #expect(try bytes(of: path) == [2])
        }
    }

    #if os(Linux)
        @Test("a folder that cannot be opened is noticed before the file is replaced")
        func unreadableFolder() async throws {
            try await withTemporaryFolder { folder in
                let path = "\(folder)/snapshot"
                try SnapshotFile.replace(path, with: [1])
                let nobody: UInt32 = 65534
                let isRoot = geteuid() == 0
                if isRoot { for name in [folder, path] { #expect(chown(name, nobody, nobody) == 0) } }
                // Names can be made there, but the folder cannot be read.
                #expect(chmod(folder, 0o300) == 0)
                let error = #expect(throws: EtcdError.self) {
                    if isRoot { #expect(seteuid(nobody) == 0) }
                    defer { if isRoot { #expect(seteuid(0) == 0) } }
                    try SnapshotFile.replace(path, with: [2])
                }
                #expect(error?.code == .fileNotWritten)
                #expect(chmod(folder, 0o700) == 0)
                #expect(try contents(of: folder) == ["snapshot"])
                #expect(try bytes(of: path) == [1])
            }
        }

        /// Lets no file of this process grow beyond `size` while `body` runs.
        private func withFullDisk<Result>(after size: Int, _ body: () async throws -> Result) async throws -> Result {
            var old = rlimit()
            try #require(getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old) == 0)
            // The signal would end the process.
            let handler = signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: rlim_t(size), rlim_max: old.rlim_max)
            try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            defer {
                setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old)
                signal(SIGXFSZ, handler)
            }
            return try await body()
        }

        @Test("a snapshot without room on the disk leaves no file, and does not replace the existing one")
        func fullDisk() async throws {
            // More than the log of all tests, which may be a file too.
            let room = 16 << 20
            let database = [UInt8](repeating: 7, count: room)
            let sum = SHA256()
            sum.update(database[...])
            let digest = try #require(sum.finish())
            let server = try await FakeServer { exchange in
                exchange.send(HTTP2ServerExchange.grpcHeaders)
                for part in [database, digest] {
                    var response = Wire.SnapshotResponse()
                    response.blob = part
                    exchange.send(response)
                }
                exchange.end(trailers: [("grpc-status", "0")])
            }
            // The server encodes 16 MiB on the loop, which takes a while under ThreadSanitizer.
            let client = try await server.client { $0.callTimeout = .seconds(60) }
            let endpoint = try Endpoint(await server.address)
            try await withTemporaryFolder { folder in
                let path = "\(folder)/snapshot"
                try SnapshotFile.replace(path, with: [1])
                try await withFullDisk(after: room) {
                    await expectError(.fileNotWritten) {
                        try await client.maintenance.snapshot(from: endpoint, to: path, replacing: true)
                    }
                    await expectError(.fileNotWritten) {
                        try SnapshotFile.replace(path, with: database + digest)
                    }
                }
                #expect(try contents(of: folder) == ["snapshot"])
                #expect(try bytes(of: path) == [1])
                // The control: there is room for it.
                try await client.maintenance.snapshot(from: endpoint, to: path, replacing: true)
                #expect(try bytes(of: path) == database + digest)
            }
            await client.close()
            await server.stop()
        }
    #endif
}
