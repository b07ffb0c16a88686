// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdTesting

/// The rows of "What each fault looks like" in Docs/Reliability.md, on three members and with default settings.
@Suite("The table of faults", .serialized, .timeLimit(.minutes(4)))
struct FaultTableTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let fault: Fault
        var hitsLeader = false
        /// Between which bounds the slowest read is; the lower one shows that the fault has bitten.
        let slowestRead: Range<Duration>
        /// How late a watch is at most.
        let watchDelay: Duration
        /// Writes on their way are left without an answer.
        let leavesWrites: Bool
    }

    static let rows = [
        Row(
            testDescription: "a member is killed",
            fault: .killed,
            slowestRead: .zero..<(.seconds(4)),
            watchDelay: .seconds(5),
            leavesWrites: false
        ),
        Row(
            testDescription: "a member hangs",
            fault: .frozen,
            slowestRead: .milliseconds(1900)..<(.seconds(6)),
            watchDelay: .seconds(20),
            leavesWrites: true
        ),
        Row(
            testDescription: "a member is cut off from the clients without a word",
            fault: .unreachable,
            slowestRead: .milliseconds(1900)..<(.seconds(6)),
            watchDelay: .seconds(20),
            leavesWrites: true
        ),
        Row(
            testDescription: "a member is cut off from the other members",
            fault: .isolated,
            slowestRead: .milliseconds(1900)..<(.seconds(6)),
            watchDelay: .seconds(20),
            leavesWrites: true
        ),
        Row(
            testDescription: "the leader is lost",
            fault: .killed,
            hitsLeader: true,
            slowestRead: .milliseconds(100)..<(.seconds(8)),
            watchDelay: .seconds(8),
            leavesWrites: false
        ),
    ]

    @Test(
        "reads go on, writes are at most ambiguous, watches are resumed in time, and no lease is lost",
        arguments: rows
    )
    func oneMember(row: Row) async throws {
        // The others' connections to a member that is dead are then etcd's own.
        try await FaultField.lend(canIsolate: row.fault == .isolated) { field in
            let trial = try FaultTrial(field.endpoints)
            let victim = try await victim(in: field.cluster, leads: row.hitsLeader)
            var start = ContinuousClock.now
            try await trial.run {
                start = .now
                try await field.begin(row.fault, victim)
                // Longer than the time that pings and probes of watches take.
                try await Task.sleep(for: .seconds(18))
            }
            let reads = trial.reads.filter { $0.start + $0.duration > start }
            #expect(reads.count > 100)
            #expect(reads.compactMap(\.error).isEmpty, "\(reads.compactMap(\.error).prefix(3))")
            let slowest = try #require(reads.map(\.duration).max())
            #expect(row.slowestRead.contains(slowest))
            let later = try #require(reads.filter { $0.start > start + .seconds(10) }.map(\.duration).max())
            #expect(later < .milliseconds(1900), "later reads go elsewhere at once")

            let writeErrors = trial.writeErrors
            #expect(writeErrors.allSatisfy { $0.code == .ambiguous }, "\(writeErrors.prefix(3))")
            if row.leavesWrites { #expect(!writeErrors.isEmpty, "the fault has bitten") }
            let latest = try #require(trial.markDelays.compactMap(\.self).max())
            #expect(latest <= row.watchDelay)
            #expect(trial.watchErrors.isEmpty && trial.leaseErrors.isEmpty, "\(trial.watchErrors) \(trial.leaseErrors)")
            #expect(!trial.log.resumptions.isEmpty, "a watch was at the member")
            print(
                "\(row.testDescription): slowest read \(slowest), \(writeErrors.count) writes ambiguous, watch \(latest) late"
            )
            try await field.end(row.fault, victim)
        }
    }

    private func victim(in cluster: EtcdCluster, leads: Bool) async throws -> Int {
        for (index, member) in cluster.members.enumerated()
        where try await member.metric("etcd_server_is_leader") == (leads ? 1 : 0) {
            return index
        }
        return try #require(nil as Int?, "there is such a member")
    }

    @Test("a majority is lost: calls fail at their deadline, watches wait, and leases are lost by their time only")
    func majority() async throws {
        try await withPrivateEtcd(members: 3) { client, cluster in
            // The control.
            try await client.put("key", "1")
            let brief = try await client.leases.grant(timeToLive: .seconds(5))
            let long = try await client.leases.grant(timeToLive: .seconds(120))
            let seen = Lock<[Value]>([])
            let watch = Task {
                for try await event in client.watch(.key("key"), from: 1) {
                    seen.withLock { $0.append(event.entry.value) }
                }
            }
            let keepers = [brief, long].map { lease in
                Task { () -> (EtcdError.Code, ContinuousClock.Instant)? in
                    do throws(EtcdError) {
                        for try await _ in client.leases.keepAlive(lease) {}
                    } catch {
                        return (error.code, .now)
                    }
                    return nil
                }
            }
            try await eventually("the watch has begun") { seen.withLock { $0 } == ["1"] }
            await cluster.members[1].kill()
            await cluster.members[2].kill()
            let start = ContinuousClock.now
            async let write = failure(of: { () throws(EtcdError) in try await client.put("key", "2") })
            async let read = failure(of: { () throws(EtcdError) in _ = try await client.get("key") })
            let (writeError, readError) = (await write, await read)
            #expect([.ambiguous, .noLeader].contains(writeError?.code), "\(String(describing: writeError))")
            #expect(readError?.code.isTransient == true, "\(String(describing: readError))")
            let elapsed = ContinuousClock.now - start
            #expect(elapsed >= .seconds(8) && elapsed < .seconds(16), "\(elapsed)")
            // By now the member knows that it has no leader.
            let late = await failure { () throws(EtcdError) in
                try await client.with(timeout: .seconds(2)).put("key", "3")
            }
            #expect(late?.code == .noLeader, "\(String(describing: late))")

            let loss = try #require(await keepers[0].value)
            #expect(loss.0 == .leaseLost)
            // Its last renewal was no more than a third of its time before.
            #expect(loss.1 >= start + .seconds(3) && loss.1 < start + .seconds(8), "\(loss.1 - start)")

            for member in cluster.members[1...] { try member.start() }
            for member in cluster.members[1...] { try await member.waitUntilReady() }
            try await eventually(within: .seconds(30), "a write works again") {
                await failure { () throws(EtcdError) in try await client.put("key", "4") } == nil
            }
            try await eventually(within: .seconds(30), "the watch goes on") { seen.withLock { $0.last } == "4" }
            #expect(try await client.leases.timeToLive(of: long.id).remainingTimeToLive > .zero)
            keepers[1].cancel()
            #expect(await keepers[1].value?.0 == .cancelled, "it was not lost")
            watch.cancel()
            _ = await watch.result
        }
    }

    private func failure(of operation: () async throws(EtcdError) -> Void) async -> EtcdError? {
        do throws(EtcdError) {
            try await operation()
            return nil
        } catch {
            return error
        }
    }
}
