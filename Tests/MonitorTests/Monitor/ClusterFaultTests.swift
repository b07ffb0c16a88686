// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitorKit

/// Harms real clusters, and checks that the monitor finds exactly that, soon, and that the finding goes with the harm.
@Suite("ClusterMonitor: faults of a cluster", .measurement, .timeLimit(.minutes(3)))
struct ClusterFaultTests {
    // MARK: Processes

    @Test func `A member that is killed is down, be it a follower or the leader`() async throws {
        try await WatchedCluster.run { watched in
            let follower = try watched.followers()[0]
            try await watched.expect("follower killed", [.memberDown]) { await follower.kill() }
            try await watched.expect("restarted", []) { try await follower.restart() }
            let leader = try watched.leader()
            try await watched.expect("leader killed", [.memberDown]) { await leader.kill() }
            #expect(try watched.leader() !== leader)
            #expect(!watched.monitor.snapshot.leaderHistory.isEmpty)
            try await watched.expect("restarted", []) { try await leader.restart() }
        }
    }

    @Test func `A member that is frozen is frozen, be it a follower or the leader`() async throws {
        try await WatchedCluster.run { watched in
            let follower = try watched.followers()[0]
            try await watched.expect("follower frozen", [.memberFrozen]) { await follower.freeze() }
            try await watched.expect("thawed", []) {
                follower.thaw()
                try await follower.waitUntilReady()
            }
            let leader = try watched.leader()
            try await watched.expect("leader frozen", [.memberFrozen]) { await leader.freeze() }
            try await watched.expect("thawed", []) {
                leader.thaw()
                try await leader.waitUntilReady()
            }
        }
    }

    @Test func `Without a majority the cluster has lost its quorum`() async throws {
        try await WatchedCluster.run { watched in
            let dead = try watched.followers()
            try await watched.expect("quorum lost", [.quorumLost, .memberDown]) {
                for member in dead { await member.kill() }
            }
            #expect(watched.monitor.snapshot.verdict == .critical)
            #expect(watched.monitor.snapshot.quorum.state == .lost)
            #expect(watched.monitor.snapshot.quorum.faultTolerance == -1)
            try await watched.expect("restarted", []) {
                async let first: Void = dead[0].restart()
                async let second: Void = dead[1].restart()
                _ = try await (first, second)
            }
        }
    }

    @Test func `A rolling restart raises nothing critical and no flapping, and nothing after it`() async throws {
        try await WatchedCluster.run { watched in
            var worst = Verdict.ok
            let done = Lock(false)
            async let restarts: Void = {
                defer { done.withLock { $0 = true } }
                for member in watched.cluster.members {
                    await member.stop()
                    try await member.restart()
                    try await Task.sleep(for: .seconds(2))
                }
            }()
            for await snapshot in watched.monitor.snapshots {
                worst = max(worst, snapshot.verdict)
                if done.withLock({ $0 }) { break }
            }
            try await restarts
            #expect(worst < .critical)
            try await watched.expect("rolling restart over", [])
            print("| rolling restart | at worst \(worst.rawValue) | |")
        }
    }

    @Test func `A member that restarts repeatedly is in a loop, until some time after the last restart`() async throws {
        try await WatchedCluster.run { _, options in
            options.thresholds.restartsWindowSeconds = 25
        } _: { watched in
            let follower = try watched.followers()[0]
            try await watched.expect("restarted three times", [.restartLoop], within: 4, lasting: 1) {
                for _ in 0..<3 {
                    try await follower.restart()
                    // The monitor sees each start.
                    try await watched.polls(1)
                }
            }
            try await watched.expect("no restart for the window", [], within: 30)
        }
    }

    // MARK: The network

    @Test func `A follower that is cut off from the others is isolated`() async throws {
        try await WatchedCluster.run { options, _ in
            options.canIsolate = true
        } _: { watched in
            let follower = try watched.followers()[0]
            try await watched.expect("follower cut off", [.memberIsolated]) { await watched.cluster.isolate(follower) }
            try await watched.expect("healed", []) {
                await watched.cluster.heal()
                try await follower.waitUntilReady()
            }
            let leader = try watched.leader()
            let other = try watched.followers()[0]
            try await watched.expect("leader cut off", [.memberIsolated]) {
                await watched.cluster.isolate(leader)
                // Until the others have elected a leader, no write works; the old one leads until its election timeout.
                try await other.waitUntilReady()
                let hasSteppedDown = await eventually { (try? await leader.metric("etcd_server_has_leader")) == 0 }
                #expect(hasSteppedDown)
            }
            try await watched.expect("healed", []) {
                await watched.cluster.heal()
                try await leader.waitUntilReady()
            }
        }
    }

    @Test func `A cut between the leader and a follower isolates the follower`() async throws {
        try await WatchedCluster.run { options, _ in
            options.canIsolate = true
            // Without it, the follower would make the others elect again and again.
            options.extraArguments = ["--pre-vote=true"]
        } _: { watched in
            let (leader, follower) = (try watched.leader(), try watched.followers()[0])
            try await watched.expect("link of leader and follower cut", [.memberIsolated]) {
                await watched.cluster.cutLink(between: leader, and: follower)
            }
            try await watched.expect("healed", []) {
                await watched.cluster.heal()
                try await follower.waitUntilReady()
            }
        }
    }

    // MARK: The leader

    @Test func `A leader that changes again and again flaps`() async throws {
        try await WatchedCluster.run { _, options in
            options.thresholds.leaderChangesWindowSeconds = 20
        } _: { watched in
            try await watched.expect("leader moved again and again", [.leaderFlapping], within: 2, lasting: 1) {
                for round in 0..<5 {
                    let target = try watched.followers()[round % 2]
                    let id = try #require(UInt64(try watched.seen(target).id, radix: 16))
                    try await watched.client.maintenance.moveLeader(to: Member.ID(rawValue: id))
                    try await watched.polls(1)
                }
            }
            try await watched.expect("no change for the window", [], within: 25)
        }
    }

    // MARK: Members

    @Test func `An added member counts once it should have started, and is gone when it is removed`() async throws {
        try await WatchedCluster.run { watched in
            let added = Lock<Member?>(nil)
            try await watched.expect("member added, not started", [.memberNotStarted]) {
                let change = try await watched.whenHealthy {
                    try await $0.cluster.add(peerURLs: ["http://127.0.0.1:1"])
                }
                added.withLock { $0 = change.member }
            }
            try await watched.expect("removed", []) {
                let id = try #require(added.withLock { $0 }?.id)
                try await watched.whenHealthy { try await $0.cluster.remove(id) }
            }
            try await watched.expect("learner added and started", []) { try await watched.addLearner() }
            let learner = try #require(watched.cluster.members.last)
            #expect(try watched.seen(learner).role == .learner)
            try await watched.expect("learner frozen", [.memberFrozen]) { await learner.freeze() }
            try await watched.expect("thawed", []) {
                learner.thaw()
                try await learner.waitUntilReady()
            }
            try await watched.expect("learner removed", []) {
                let id = try #require(UInt64(try watched.seen(learner).id, radix: 16))
                try await watched.whenHealthy { try await $0.cluster.remove(Member.ID(rawValue: id)) }
            }
        }
    }

    @Test func `A learner that lags behind is found, and one that keeps up is not`() async throws {
        try await WatchedCluster.run { options, monitor in
            options.canIsolate = true
            monitor.thresholds.learnerLagEntries = 100
            monitor.thresholds.learnerLagSeconds = 1
        } _: { watched in
            for number in 0..<300 { try await watched.client.put("before", Value("\(number)")) }
            try await watched.expect("learner added", []) { try await watched.addLearner() }
            let learner = try #require(watched.cluster.members.last)
            try await watched.whilePutting(every: .milliseconds(5)) {
                try await watched.polls(3)
                try await watched.expect("the control: writes, and a learner that keeps up", [])
                // By then the lag is there.
                await watched.cluster.delay(learner, by: .seconds(3))
                try await Task.sleep(for: .seconds(3))
                try await watched.expect("learner lags", [.learnerLag])
                try await watched.expect("learner keeps up again", [], within: 4) {
                    await watched.cluster.delay(learner, by: .zero)
                }
            }
        }
    }

    @Test func `A list of endpoints that leads to two clusters is noticed`() async throws {
        try await withEtcdCluster { other in
            let stranger = try Endpoint(other.endpoints[0])
            try await WatchedCluster.run(expecting: [.foreignCluster], client: { $0.endpoints.append(stranger) }) {
                watched in
                #expect(watched.monitor.snapshot.verdict == .critical)
                try await watched.expect("the other cluster is gone", []) { await other.members[0].kill() }
            }
        }
    }

    // MARK: Databases

    @Test func `A full database raises the alarm, and its size shows before`() async throws {
        let quota = 64 << 20
        try await WatchedCluster.run { options, _ in
            options.extraArguments = ["--quota-backend-bytes=\(quota)"]
        } _: { watched in
            // One key, so that a compaction frees nearly all of it.
            let value = Value(bytes: [UInt8](repeating: 7, count: 256 << 10))
            try await watched.expect("database near its quota", [.databaseNearQuota]) {
                // As far as the members say, for pages that are still in use take room too.
                while try await watched.largestDatabase() < Int64(quota) * 7 / 10 {
                    try await watched.client.put("large", value)
                }
            }
            try await watched.expect("NOSPACE raised", [.databaseNearQuota, .alarmNoSpace]) {
                do {
                    for _ in 0..<200 { try await watched.client.put("large", value) }
                } catch EtcdError.Code.noSpace {}
            }
            #expect(watched.monitor.snapshot.verdict == .critical)
            try await watched.expect("compacted, defragmented, disarmed", []) {
                let revision = try #require(try await watched.client.get("large")).modRevision
                try await watched.client.compact(at: revision, physical: true)
                try await watched.defragment()
                try await watched.client.maintenance.disarmAll()
            }
        }
    }

    @Test func `A database that is mostly free space is fragmented`() async throws {
        try await WatchedCluster.run { options, monitor in
            options.extraArguments = ["--quota-backend-bytes=\(64 << 20)"]
            monitor.thresholds.fragmentationMinimumBytes = 8e6
            monitor.thresholds.fragmentationSeconds = 0
        } _: { watched in
            let value = Value(bytes: [UInt8](repeating: 7, count: 1 << 20))
            for _ in 0..<20 { try await watched.client.put("large", value) }
            // Each commit of a member frees the pages of an earlier one, and commits only come with writes.
            try await watched.whilePutting(every: .milliseconds(50)) {
                try await watched.expect("fragmented", [.fragmentation]) {
                    let revision = try #require(try await watched.client.get("large")).modRevision
                    try await watched.client.compact(at: revision, physical: true)
                    try await Task.sleep(for: .seconds(1))
                }
            }
            try await watched.expect("defragmented", []) {
                try await watched.defragment()
            }
        }
    }

    // MARK: Rights and certificates

    @Test func `Without permission the monitor reports that it does not know, and why`() async throws {
        try await WatchedCluster.run { watched in
            let auth = watched.client.auth
            try await watched.expect("authentication switched on", [.notAuthorized]) {
                try await auth.users.add("root", password: "secret")
                try await auth.roles.add("root")
                try await auth.users.grant(role: "root", to: "root")
                try await auth.enable()
            }
            #expect(watched.monitor.snapshot.verdict == .unknown)
            var configuration = watched.client.configuration
            configuration.credentials = .user("root", password: "secret")
            try await watched.expect("authentication switched off", []) {
                try await withEtcdClient(configuration) { try await $0.auth.disable() }
            }
        }
    }

    @Test func `A certificate that ends soon is found, until it is replaced`() async throws {
        let authority = try TestCertificateAuthority()
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("monitor-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (certificate, key) = (folder.appendingPathComponent("server.pem"), folder.appendingPathComponent("key.pem"))
        func issue(days: Int) throws {
            let issued = try authority.issue("etcd", validity: .ending(inDays: days))
            try issued.key.write(to: key, atomically: true, encoding: .utf8)
            try issued.certificate.write(to: certificate, atomically: true, encoding: .utf8)
        }
        try issue(days: 365)
        try await WatchedCluster.run { options, _ in
            options.tls = EtcdCluster.ServerTLS(certificateFile: certificate.path, keyFile: key.path)
        } client: { configuration in
            configuration.tls = TLSConfiguration(trustedCertificates: .text(authority.certificate))
        } _: { watched in
            try await watched.expect("certificate ends in 5 days", [.certificateExpiry]) { try issue(days: 5) }
            try await watched.expect("replaced", []) { try issue(days: 365) }
        }
    }
}

extension WatchedCluster {
    /// Changes the members; etcd refuses that for some seconds after members have found each other.
    @discardableResult
    func whenHealthy<Result>(_ change: (EtcdClient) async throws -> Result) async throws -> Result {
        for _ in 0..<30 {
            do {
                return try await change(client)
            } catch EtcdError.Code.unhealthy {
                try await Task.sleep(for: .milliseconds(500))
            }
        }
        return try await change(client)
    }

    /// Adds a learner, starts it, and waits until its name is in the list of members.
    ///
    /// A new member publishes its name after it has started. If that message is lost, etcd repeats it after 7 s; until
    /// then the monitor rightly finds that the member has not started.
    func addLearner() async throws {
        _ = try await cluster.addMember { peerURL in
            try await whenHealthy { try await $0.cluster.add(peerURLs: [peerURL], isLearner: true).members }
        }
        try await eventually("the learner's name is in the list") {
            try await client.cluster.list().allSatisfy(\.isStarted)
        }
    }

    /// Defragments all members, again until each has got its room back: another member's compaction may take longer.
    func defragment() async throws {
        for endpoint in await client.endpoints {
            repeat {
                try await client.maintenance.defragment(endpoint)
            } while try await client.maintenance.status(of: endpoint).databaseSize > 4 << 20
        }
    }

    /// The size of the largest database among the members, in bytes.
    func largestDatabase() async throws -> Int64 {
        var largest: Int64 = 0
        for endpoint in await client.endpoints {
            largest = max(largest, try await client.maintenance.status(of: endpoint).databaseSize)
        }
        return largest
    }

    /// Runs `body` while small values are put, one each `interval`.
    func whilePutting(every interval: Duration, _ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                let start = ContinuousClock.now
                var count = 0
                while !Task.isCancelled {
                    count += 1
                    try? await Task.sleep(until: start + interval * count)
                    try await client.put("small", "1")
                }
            }
            try await body()
            group.cancelAll()
        }
    }

    /// Waits for so many polls that begin from now on.
    func polls(_ count: Int) async throws {
        let start = Date()
        var seen = 0
        for await snapshot in monitor.snapshots where snapshot.time >= start {
            seen += 1
            if seen == count { return }
        }
    }
}
