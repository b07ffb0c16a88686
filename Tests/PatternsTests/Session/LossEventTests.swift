// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("Session: events of losses and terms", .cluster, .timeLimit(.minutes(2)))
struct LossEventTests {
    private final class Log: Sendable {
        private let lines = Lock<[String]>([])

        var all: [String] { lines.withLock { $0 } }

        func note(_ event: EtcdClient.Event) {
            let line: String? =
                switch event {
                case .sessionLost(_, let reason, _): "session \(reason)"
                case .holdLost(let key, _, let reason):
                    "\(key.bytes.starts(with: "lock".utf8) ? "lock" : "?") \(reason)"
                case .leadershipGained(let name, let token): "\(name) gained \(token)"
                case .leadershipLost(let name, let token, let reason): "\(name) lost \(token) \(reason)"
                default: nil
                }
            if let line { lines.withLock { $0.append(line) } }
        }
    }

    private func withLoggedClient(_ body: (EtcdClient, Log, RestorableStore) async throws -> Void) async throws {
        let log = Log()
        try await RestorableStore.lend {
            $0.onEvent = { log.note($0) }
        } _: {
            try await body($0.client, log, $0)
        }
    }

    @Test("sessions that are lost at their deadline are reported one by one; closed sessions are not")
    func deadline() async throws {
        try await withLoggedClient { client, log, store in
            var sessions: [Session] = []
            for _ in 1...3 { sessions.append(try await Session(client, timeToLive: .seconds(2))) }
            await (try Session(client)).close()
            await store.proxy.stall()
            for session in sessions { #expect(try await session.lost.reason == .deadline) }
            try await eventually("all are reported") { log.all == Array(repeating: "session deadline", count: 3) }
            await store.proxy.resume()
            for session in sessions { await session.close() }
            #expect(log.all.count == 3)
        }
    }

    @Test("a lock whose key is deleted is reported, but not a released lock or one that ends with its session")
    func holds() async throws {
        try await withLoggedClient { client, log, store in
            let session = try await Session(client, timeToLive: .seconds(4))
            let grants = [
                try await DistributedLock("lock-1", on: .session(session)).acquire(),
                try await DistributedLock("lock-2", on: .session(session)).acquire(),
                try await DistributedLock("lock-3", on: .session(session)).acquire(),
            ]
            try await store.witness.delete(grants[0].key)
            _ = try await grants[0].lost
            try await eventually("the lock is reported") { log.all == ["lock keyDeleted"] }
            await grants[1].release()
            await store.proxy.stall()
            #expect(try await grants[2].lost.reason == .deadline)
            try await eventually("the session is reported") { log.all == ["lock keyDeleted", "session deadline"] }
        }
    }

    @Test("terms are reported when they begin and when they end, whatever ends them")
    func terms() async throws {
        try await withLoggedClient { client, log, store in
            let election = try LeaderElection("leader", candidate: "a", on: .client(client))
            let first = try await election.campaign()
            await first.resign()
            let second = try await election.campaign()
            try await store.witness.delete(second.key)
            _ = try await second.lost
            do { _ = try await election.campaign() }
            let expected = [
                "leader gained \(first.fencingToken)", "leader lost \(first.fencingToken) released",
                "leader gained \(second.fencingToken)", "leader lost \(second.fencingToken) keyDeleted",
            ]
            #expect(Array(log.all.prefix(4)) == expected)
            try await eventually("a dropped one is reported, too") {
                log.all.count == 6 && log.all[5].hasSuffix("released")
            }
        }
    }

    @Test("the reason for the end of a lease becomes the reason of the loss")
    func reasons() {
        func reason(_ error: EtcdError) -> CoordinationLoss.Reason { CoordinationLoss(ofLease: error).reason }
        func lost(_ code: EtcdError.Code) -> EtcdError { EtcdError(.leaseLost, "", cause: EtcdError(code, "")) }
        #expect(reason(EtcdError(.permissionDenied, "")) == .renewalRefused)
        #expect(reason(lost(.permissionDenied)) == .renewalRefused)
        #expect(reason(lost(.leaseNotFound)) == .leaseEnded)
        #expect(reason(EtcdError(.leaseLost, "revoked here")) == .leaseEnded)
        #expect(reason(EtcdError(.clusterMismatch, "")) == .clusterChanged)
        #expect(reason(EtcdError(.clientClosed, "")) == .closed)
        #expect(reason(lost(.unavailable)) == .deadline)
    }

    @Test("a session whose user loses permission to put its keys is refused the renewal if etcd checks that")
    func renewalRefused() async throws {
        try await withEtcdCluster { cluster in
            let root = try EtcdClient(endpoints: cluster.endpoints)
            for user in ["root", "worker"] {
                try await root.auth.users.add(user, password: "secret")
                try await root.auth.roles.add(user)
                try await root.auth.users.grant(role: user, to: user)
            }
            try await root.auth.roles.grant(Permission(.readWrite, .prefix("mine/")), to: "worker")
            let foreign = try await root.leases.grant(timeToLive: .seconds(60))
            try await root.put("theirs/key", "", lease: foreign.id)
            try await root.auth.enable()
            var configuration = try EtcdClient.Configuration(endpoints: cluster.endpoints)
            configuration.credentials = .user("worker", password: "secret")
            let client = try EtcdClient(configuration)
            var isChecked = false
            do { try await client.leases.keepAliveOnce(foreign.id) } catch EtcdError.Code.permissionDenied {
                isChecked = true
            }
            let session = try await Session(client, timeToLive: .seconds(3))
            configuration.credentials = .user("root", password: "secret")
            let admin = try EtcdClient(configuration)
            try await admin.put("theirs/other", "", lease: session.lease.id)
            if isChecked {
                #expect(try await session.lost.reason == .renewalRefused)
            } else {
                try await Task.sleep(for: .seconds(4))
                #expect(session.isAlive)
            }
            await session.close(timeout: .seconds(1))
            for client in [root, client, admin] { await client.close() }
        }
    }
}
