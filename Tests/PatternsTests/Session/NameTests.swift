// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdPatterns

@Suite("Names that are refused at once", .live, .timeLimit(.minutes(1)))
struct NameTests {
    @Test(
        "a name with an empty part is refused, and the error names it",
        arguments: ["/", "a/", "a//b", "//a", "/a/"] as [Key]
    )
    func emptyPart(name: Key) {
        let error = #expect(throws: EtcdError.self) { try name.checkName(of: "lock") }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("\"\(name)\" cannot be the name of a lock") == true, "\(error as Any)")
    }

    @Test(
        "other names are accepted, also with a slash at the front",
        arguments: ["a", "/a", "a/b", "/a/b-c/d", "ä"] as [Key]
    )
    func good(name: Key) throws {
        try name.checkName(of: "lock")
    }

    @Test("every pattern checks its name", arguments: ["", "/", "a/", "a//b"] as [Key])
    func everywhere(name: Key) async throws {
        try await withSession { session, _ in
            let client = session.client
            let code: EtcdError.Code = name == "" ? .emptyKey : .invalidArgument
            await expectError(code) { try DistributedLock("\(name)", on: .session(session)) }
            await expectError(code) { try DistributedLock("\(name)", on: .client(client)) }
            await expectError(code) { try ReadWriteLock("\(name)", on: .session(session)) }
            await expectError(code) { try LockManager("\(name)", on: .session(session)) }
            await expectError(code) { try Semaphore("\(name)", limit: 1, on: .session(session)) }
            await expectError(code) { try Barrier("\(name)", on: .session(session)) }
            await expectError(code) { try DoubleBarrier("\(name)", count: 1, on: .session(session)) }
            await expectError(code) { try LeaderElection("\(name)", candidate: "", on: .session(session)) }
            let election = try LeaderElection("e", candidate: "", on: .session(session))
            await expectError(code) { try LeaderTask("\(name)", on: election, every: .seconds(1)) { _ in } }
            await expectError(code) { try MemberGroup("\(name)", on: .client(client)) }
            await expectError(code) {
                try ShardCoordinator("\(name)", shards: .numbered(1), memberID: "m", client: client)
            }
            await expectError(code) { try ServiceRegistry(client, prefix: "\(name)") }
            await expectError(code) { try await ConfigManager("\(name)", client: client) }
            await expectError(code) { try await FeatureFlags("\(name)", client: client) }
            let flags = try await FeatureFlags("flags", client: client)
            await expectError(code) { try await flags.enable("\(name)") }
            await flags.close()
        }
    }

    @Test("a time to live of less than 2 s is refused by all patterns with sessions of their own")
    func shortTimeToLive() async throws {
        try await withLiveClient { client, name in
            let short = Duration.milliseconds(1999)
            await expectError(.invalidArgument) { try await Session(client, timeToLive: short) }
            await expectError(.invalidArgument) {
                try DistributedLock("\(name)", on: .client(client, timeToLive: short))
            }
            await expectError(.invalidArgument) { try ReadWriteLock("\(name)", on: .client(client, timeToLive: short)) }
            await expectError(.invalidArgument) {
                try Semaphore("\(name)", limit: 1, on: .client(client, timeToLive: short))
            }
            await expectError(.invalidArgument) { try Barrier("\(name)", on: .client(client, timeToLive: short)) }
            await expectError(.invalidArgument) {
                try DoubleBarrier("\(name)", count: 1, on: .client(client, timeToLive: short))
            }
            await expectError(.invalidArgument) {
                try LeaderElection("\(name)", candidate: "", on: .client(client, timeToLive: short))
            }
            await expectError(.invalidArgument) { try MemberGroup("\(name)", on: .client(client, timeToLive: short)) }
            await expectError(.invalidArgument) {
                try ShardCoordinator("\(name)", shards: .numbered(1), memberID: "a", client: client, timeToLive: short)
            }
            // The control: 2 s are enough.
            let lock = try DistributedLock("\(name)", on: .client(client, timeToLive: .seconds(2)))
            await (try await lock.acquire()).release()
        }
    }
}
