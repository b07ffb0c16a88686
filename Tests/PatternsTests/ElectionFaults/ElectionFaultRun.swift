// SPDX-License-Identifier: Apache-2.0

import EtcdTesting

@testable import EtcdKit
@testable import EtcdPatterns

/// Candidates that lead in turns under faults, and the outcome.
final class ElectionFaultRun: Sendable {
    /// The faults that happen at the same time, each with chances of its own.
    private enum Lane: UInt64, CaseIterable {
        case network, cluster, leadership
    }

    let field: ElectionField
    let seed: UInt64
    /// The control: a leader believes that it leads until an answer says otherwise, whatever the time.
    let judgesByAnswers: Bool
    private let history = Lock(TermHistory())
    private let tally = Lock<[String: Int]>([:])
    /// The run has failed, so there is no need to wait any longer.
    private let isGivenUp = Lock(false)

    init(_ field: ElectionField, seed: UInt64 = 1, judgesByAnswers: Bool = false) {
        self.field = field
        self.seed = seed
        self.judgesByAnswers = judgesByAnswers
    }

    /// Lets the candidates lead while `faults` happen, and returns the outcome.
    func play(_ faults: @escaping @Sendable () async throws -> Void) async throws -> TermHistory {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for contender in field.contenders {
                group.addTask { await self.stand(contender) }
                group.addTask { await self.work(contender) }
            }
            group.addTask { await self.sample() }
            do {
                try await eventually("somebody leads") { self.field.leader != nil }
                try await faults()
                await heal()
                try await eventually(within: .seconds(60), "somebody leads in the end") { self.field.leader != nil }
            } catch {
                // The candidates have to end, too, for which they need a connection to the cluster or a sure failure.
                isGivenUp.withLock { $0 = true }
                await heal()
                throw error
            }
            group.cancelAll()
        }
        try await field.witness.put("work", "end")
        for try await event in field.witness.watch(.key("work"), from: 1) {
            if event.entry.value == "end" { break }
            let token = Revision(rawValue: event.entry.value.string.flatMap { Int64($0) } ?? 0)
            history.withLock { $0.writes.append(token) }
        }
        return history.withLock { $0 }
    }

    private func heal() async {
        for contender in field.contenders { await contender.heal() }
        for member in field.cluster.members { member.thaw() }
    }

    /// The counts of all events.
    var summary: String {
        let history = history.withLock { $0 }
        let reasons = Dictionary(grouping: history.stints, by: { $0.lost?.reason.description ?? "?" })
        let excused = history.overlaps.excused
        let stolen = excused.filter { history.stolen.contains($0.older.token) }
        let awakened = excused.filter { !history.stolen.contains($0.older.token) }
        func longest(_ overlaps: [TermHistory.Overlap]) -> String {
            "\(overlaps.count), up to \(overlaps.map(\.length).max() ?? .zero)"
        }
        let counts = tally.withLock { $0 }.merging(reasons.mapValues(\.count)) { $1 }
        let listing = counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        return """
            election run with seed \(seed): \(history.stints.count) terms, \(history.writes.count) guarded writes
              \(listing)
              overlaps after a theft: \(longest(stolen)); after an awakening: \(longest(awakened))
            """
    }

    func count(_ what: String) {
        tally.withLock { $0[what, default: 0] += 1 }
    }

    // MARK: The candidates

    private func stand(_ contender: Contender) async {
        let token = Lock<Revision>(0)
        do {
            try await contender.election.run { term in
                token.withLock { $0 = term.fencingToken }
                self.history.withLock {
                    $0.stints.append(.init(member: contender.number, token: term.fencingToken, elected: .now))
                }
            } onDefeated: { loss in
                let token = token.withLock { $0 }
                // A leader that resigns gets no loss.
                let isTold = self.judgesByAnswers && loss.reason != .released
                let instant = isTold ? await self.refutation(of: token, contender) : loss.instant
                self.history.withLock { history in
                    guard let place = history.stints.firstIndex(where: { $0.token == token && $0.lost == nil }) else {
                        return history.surprises.append("member \(contender.number) has lost \(token) twice")
                    }
                    history.stints[place].lost = (instant, loss.reason)
                }
            }
        } catch {
            history.withLock { $0.surprises.append("member \(contender.number) has ended with \(error)") }
        }
    }

    /// When the server says that the term is over.
    private func refutation(of token: Revision, _ contender: Contender) async -> ContinuousClock.Instant {
        while !isGivenUp.withLock({ $0 }) {
            do {
                if try await contender.election.leader()?.fencingToken != token { return .now }
            } catch {
                // A missing answer proves nothing.
            }
            try? await Task.sleep(for: .milliseconds(5))
        }
        return .now
    }

    /// Writes while it leads, and a bit longer.
    private func work(_ contender: Contender) async {
        while !Task.isCancelled {
            if let term = contender.election.currentTerm {
                _ = try? await term.guarded(then: [.put("work", "\(term.fencingToken)")])
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Checks whether two lead at once.
    private func sample() async {
        while !Task.isCancelled {
            let elections = field.contenders.map(\.election)
            let first = elections.compactMap(\.currentTerm)
            // Each of them has led while the later ones were asked, if it still does.
            let both = first.count > 1 ? first.filter(\.isHeld) : []
            if both.count > 1 {
                history.withLock { _ = $0.sightings.insert(both.map(\.fencingToken).sorted()) }
            }
            count("looks")
            try? await Task.sleep(for: .milliseconds(1))
        }
    }

    // MARK: The faults

    /// Lets all kinds of faults happen for a while.
    func harm(for duration: Duration) async throws {
        let deadline = ContinuousClock.now + duration
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in Lane.allCases {
                group.addTask {
                    var generator = Chance(seed: self.seed &* 3 &+ lane.rawValue)
                    while ContinuousClock.now < deadline {
                        try await Task.sleep(for: .milliseconds(Int.random(in: 200...1500, using: &generator)))
                        switch lane {
                        case .network: try await self.harmNetwork(&generator)
                        case .cluster: try await self.harmCluster(&generator)
                        case .leadership: await self.harmLeadership(&generator)
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    private func harmNetwork(_ chance: inout Chance) async throws {
        let anyone = field.contenders.randomElement(using: &chance)
        guard let victim = Bool.random(using: &chance) ? field.leader ?? anyone : anyone,
            let fault = ElectionField.Fault.allCases.randomElement(using: &chance)
        else { return }
        count(fault.rawValue)
        let start = ContinuousClock.now
        await victim.start(fault)
        try await Task.sleep(for: .milliseconds(Int.random(in: 200...5000, using: &chance)))
        await victim.heal()
        history.withLock { $0.isolations.append((victim.number, start, .now)) }
    }

    private func harmCluster(_ chance: inout Chance) async throws {
        guard let member = field.cluster.members.randomElement(using: &chance) else { return }
        if Bool.random(using: &chance) {
            count("killed")
            await member.kill()
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...2000, using: &chance)))
            try await member.restart()
        } else {
            let isLeader = await field.isLeader(member)
            count(isLeader ? "leader frozen" : "frozen")
            await member.freeze()
            try await Task.sleep(for: .milliseconds(Int.random(in: 200...4000, using: &chance)))
            if isLeader { history.withLock { $0.awakenings.append(.now) } }
            member.thaw()
            try await member.waitUntilReady()
        }
    }

    /// Events of a leadership: each may fail for want of a leader or a connection.
    private func harmLeadership(_ chance: inout Chance) async {
        let choice = Int.random(in: 0..<5, using: &chance)
        guard let leader = field.leader, let term = leader.election.currentTerm else { return }
        switch choice {
        case 0:
            count("resigned")
            await term.resign()
        case 1:
            let others = field.contenders.filter { $0.number != leader.number }
            guard let chosen = others.randomElement(using: &chance) else { return }
            do {
                try await term.transfer(to: chosen.election.candidate)
                count("transferred")
            } catch {
                count("not transferred")
            }
        case 2:
            guard let waiting = try? await field.witness.queueEntries(in: .prefix(ElectionField.name + "/")).last,
                waiting.createRevision != term.fencingToken
            else { return }
            count("waiter deleted")
            // By then it may lead.
            history.withLock { _ = $0.stolen.insert(waiting.createRevision) }
            _ = try? await field.witness.delete(waiting.key)
        case 3:
            count("key deleted")
            history.withLock { _ = $0.stolen.insert(term.fencingToken) }
            _ = try? await field.witness.delete(term.key)
        default:
            count("lease revoked")
            history.withLock { _ = $0.stolen.insert(term.fencingToken) }
            _ = try? await field.witness.leases.revoke(term.hold.session.lease.id)
        }
    }
}

/// Chances that a seed repeats (SplitMix64).
private struct Chance: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
