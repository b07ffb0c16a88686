// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdTesting

/// The rows of "The effects of each fault" in Docs/Reliability.md, on three members and with default settings.
@Suite("EtcdClient: the table of faults", .cluster, .enabled(if: SocketOwner.canBeFound), .timeLimit(.minutes(4)))
struct FaultTableTests {
    /// A row about one member.
    struct Row: Sendable {
        let name: String
        let fault: Fault
        /// The member that is harmed leads, and the watch and the lease are elsewhere.
        var hitsLeader = false
        /// Reads wait for the member for two seconds before they are repeated.
        var isSilent = true
    }

    @Test("each row of the table is true")
    func rows() async throws {
        // Rows wait for most of their time, so that they can do so side by side.
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await oneMember(Row(name: "a member hangs", fault: .frozen))
                try await oneMember(Row(name: "a member is cut off from the other members", fault: .isolated))
                try await oneMember(Row(name: "the leader is lost", fault: .killed, hitsLeader: true, isSilent: false))
            }
            group.addTask {
                try await oneMember(Row(name: "a member is cut off from the clients", fault: .unreachable))
                try await majority()
                try await oneMember(Row(name: "a member is killed", fault: .killed, isSilent: false))
            }
            try await group.waitForAll()
        }
    }

    private func oneMember(_ row: Row) async throws {
        for _ in 0..<3 where try await trial(row) { return }
        Issue.record("no write was under way to the member: \(row.name)")
    }

    /// Tries a row, and returns whether it could: on a busy machine, the client may avoid the member before it has written.
    private func trial(_ row: Row) async throws -> Bool {
        let name = Comment(rawValue: row.name)
        // With a long time to live, the next renewal would come too late to show that the lease moves at once.
        let timeToLive = Duration.seconds(row.isSilent ? 15 : 60)
        return try await FaultField.lend { field in
            let members = field.cluster.members
            let victim = try await member(of: members, leads: row.hitsLeader)
            let home = row.hitsLeader ? try #require(members.indices.first { $0 != victim }) : victim
            let survivors = members.indices.filter { $0 != victim }.map { members[$0].endpoint }
            let control = try EtcdClient(endpoints: field.endpoints[victim])
            _ = try await control.get("key")
            var isTried = true
            try await withEtcdClient(endpoints: survivors.joined(separator: ",")) { witness in
                try await FaultTrial.run(at: home, in: field, timeToLive: timeToLive) { trial in
                    // The member is killed with calls under way.
                    if row.fault == .killed {
                        await members[victim].freeze()
                        isTried = await trial.writeWaits(witness)
                        guard isTried else { return members[victim].thaw() }
                    }
                    let start = ContinuousClock.now
                    try await field.withFault(row.fault, at: victim) {
                        async let lost = failure { () throws(EtcdError) in try await control.put("key", "control") }
                        let marked = try await mark("marks/second", witness)
                        try await expectWatchAndLease(row, trial, marked)
                        try await expectCalls(row, trial, since: start)
                        // The control, a client of this member only, gets no answer.
                        let codes: [EtcdError.Code?] = [.ambiguous, row.isSilent ? .noLeader : .unavailable]
                        let code = await lost?.code
                        #expect(codes.contains(code), name)
                    }
                }
            }
            try await eventually("the member is back") {
                await failure { () throws(EtcdError) in _ = try await control.get("key") } == nil
            }
            await control.close()
            return isTried
        }
    }

    private func expectWatchAndLease(_ row: Row, _ trial: FaultTrial, _ marked: ContinuousClock.Instant) async throws {
        let name = Comment(rawValue: row.name)
        try await eventually("the watch goes on: \(row.name)") {
            trial.hasSeen("marks/second") != nil
        }
        let delay = try #require(trial.hasSeen("marks/second")) - marked
        if !row.hitsLeader {
            // Without the fault, no time is lost, and there is nothing to resume.
            #expect(trial.log.resumptions.contains { $0.endpoint != trial.home }, name)
            // Documented: at once, or after 15 s at most. The rest is for a slow machine.
            #expect(delay < .seconds(row.isSilent ? 20 : 8), name)
            // Before the next renewal would have been due, or before a lease is called at risk.
            try await eventually("the lease is renewed elsewhere: \(row.name)") {
                let home = await trial.leaseHome
                return home.map { $0 != trial.home } ?? false
            }
        }
        #expect(trial.log.risks.isEmpty && trial.log.losses.isEmpty, name)
        #expect(trial.ends.isEmpty, "\(row.name): \(trial.ends)")
        print("\(row.name): the watch was \(delay.inSeconds) late")
    }

    private func expectCalls(_ row: Row, _ trial: FaultTrial, since start: ContinuousClock.Instant) async throws {
        if row.fault == .killed {
            try await eventually("writes were left without an answer: \(row.name)") {
                trial.writes.contains { $0.error != nil }
            }
        }
        let later = start + .seconds(row.isSilent ? 4 : 0)
        try await eventually("reads go on: \(row.name)") {
            trial.reads.count { $0.start > later } > 100
        }
        let errors = trial.writes.compactMap(\.error)
        #expect(errors.allSatisfy { $0.code == .ambiguous }, "\(row.name): \(errors.prefix(3))")
        #expect(trial.reads.allSatisfy { $0.error == nil }, "\(row.name): \(trial.reads.compactMap(\.error).prefix(3))")

        let slowest = try #require(trial.reads.map(\.duration).max())
        let laterReads = trial.reads.filter { $0.start > later }
        let slow = laterReads.count { $0.duration > .seconds(1.9) }
        if row.isSilent { #expect(slowest > .seconds(1.9), "reads have waited for the member: \(row.name)") }
        // A third would be slow if they still went there.
        #expect(slow < laterReads.count / 20, "later reads go elsewhere: \(row.name)")
        print(
            "\(row.name): slowest read \(slowest.inSeconds), \(errors.count) of \(trial.writes.count) writes ambiguous"
        )
    }

    private func majority() async throws {
        try await withPrivateEtcd(members: 3) { client, cluster in
            try await client.put("key", "1")
            let brief = try await client.leases.grant(timeToLive: .seconds(5))
            let long = try await client.leases.grant(timeToLive: .seconds(120))
            let seen = Lock<[Value]>([])
            let losses = Lock<[Lease.ID: (error: EtcdError, instant: ContinuousClock.Instant)]>([:])
            let others = cluster.members.dropFirst()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for try await event in client.watch(.key("key"), from: 1) {
                        seen.withLock { $0.append(event.entry.value) }
                    }
                }
                for lease in [brief, long] {
                    group.addTask {
                        let error = await failure { () throws(EtcdError) in
                            for try await _ in client.leases.keepAlive(lease) {}
                        }
                        guard let error, error.code != .cancelled else { return }
                        losses.withLock { $0[lease.id] = (error, .now) }
                    }
                }
                try await eventually("the watch has begun") { seen.withLock { $0 } == ["1"] }

                for member in others { await member.kill() }
                let start = ContinuousClock.now
                async let write = failure { () throws(EtcdError) in try await client.put("key", "2") }
                async let read = failure { () throws(EtcdError) in _ = try await client.get("key") }
                #expect(try await client.get("key", serializable: true)?.value == "1", "one member is enough")
                let (writeError, readError) = (await write, await read)
                let elapsed = ContinuousClock.now - start
                #expect([.ambiguous, .noLeader].contains(writeError?.code), "\(String(describing: writeError))")
                #expect(readError?.code.isTransient == true, "\(String(describing: readError))")
                #expect(elapsed > .seconds(9), "the calls have waited for their deadline")
                // By now the member knows that it has no leader.
                let late = await failure { () throws(EtcdError) in
                    try await client.with(timeout: .seconds(2)).with(retry: .never).put("key", "3")
                }
                #expect(late?.code == .noLeader, "\(String(describing: late))")

                try await eventually("the lease of 5 s is lost") { losses.withLock { $0[brief.id] } != nil }
                let loss = try #require(losses.withLock { $0[brief.id] })
                #expect(loss.error.code == .leaseLost, "\(loss.error)")
                // Its last renewal was at most a third of its time to live earlier.
                #expect(loss.instant > start + .seconds(3), "its time to live was over")

                for member in others { try member.start() }
                for member in cluster.members { try await member.waitUntilReady() }
                try await eventually("a write works again") {
                    await failure { () throws(EtcdError) in try await client.put("key", "4") } == nil
                }
                try await eventually("the watch goes on") { seen.withLock { $0.last } == "4" }
                #expect(try await client.leases.timeToLive(of: long.id).remainingTimeToLive > .zero)
                #expect(losses.withLock { $0.keys.map(\.self) } == [brief.id], "the other one was not lost")
                group.cancelAll()
            }
        }
    }

    /// Puts a mark, and returns when.
    private func mark(_ key: Key, _ witness: EtcdClient) async throws -> ContinuousClock.Instant {
        var instant: ContinuousClock.Instant?
        // The loss of a leader may leave the outcome of the first one open.
        try await eventually("the mark is put") {
            if await failure(of: { () throws(EtcdError) in try await witness.put(key, "") }) == nil { instant = .now }
            return instant != nil
        }
        return try #require(instant)
    }

    private func member(of members: [EtcdMember], leads: Bool) async throws -> Int {
        for (index, member) in members.enumerated()
        where try await member.metric("etcd_server_is_leader") == (leads ? 1 : 0) {
            return index
        }
        return try #require(nil as Int?, "there is such a member")
    }
}
