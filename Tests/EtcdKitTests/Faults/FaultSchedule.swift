// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A fault of a member.
enum Fault: String, Sendable, Hashable, CaseIterable {
    case killed
    case frozen
    /// Cut off from the other members.
    case isolated
    /// Cut off from the clients: nothing passes, and sent bytes are lost.
    case unreachable
    /// The clients' requests arrive, and the answers are lost.
    case answersLost
    /// Cut off from the clients for a while: nothing is lost.
    case stalled
    /// Its connections to clients are broken, once.
    case reset
    /// Its connections to clients end in an orderly way, once.
    case cut
    /// Clients are disconnected, and refused.
    case refused

    /// It harms the member itself, not only the clients' connections to it.
    var isOfMember: Bool { [.killed, .frozen, .isolated].contains(self) }
    var isInstant: Bool { self == .reset || self == .cut }
}

/// Which faults come when: the same for the same seed.
struct FaultSchedule: Sendable, Hashable, CustomStringConvertible {
    struct Step: Sendable, Hashable, CustomStringConvertible {
        /// Counted from the beginning of the round.
        let start: Duration
        let length: Duration
        /// The place of the member in its cluster.
        let member: Int
        let fault: Fault

        var end: Duration { start + length }

        var description: String {
            "after \(start.inSeconds) member \(member + 1) \(fault)"
                + (length > .zero ? " for \(length.inSeconds)" : "")
        }
    }

    let seed: UInt64
    /// Faults that may overlap; after each round, there is no fault for a moment.
    var rounds: [[Step]] = []

    /// Draws rounds that last so long together.
    init(seed: UInt64, duration: Duration, members: Int = 3) {
        self.seed = seed
        var generator = SplitMix64(seed: seed)
        var total = Duration.zero
        while total < duration {
            let round = Self.round(members: members, using: &generator)
            total += round.map(\.end).max() ?? .zero
            rounds.append(round)
        }
    }

    /// Takes steps as they are.
    init(rounds: [[Step]]) {
        seed = 0
        self.rounds = rounds
    }

    var description: String {
        let lines = rounds.enumerated().flatMap { number, steps in steps.map { "  round \(number + 1): \($0)" } }
        return (["faults of seed \(seed):"] + lines).joined(separator: "\n")
    }

    private static func round(members: Int, using generator: inout SplitMix64) -> [Step] {
        var steps: [Step] = []
        var start = Duration.zero
        for _ in 0..<Int.random(in: 2...5, using: &generator) {
            start += .milliseconds(Int.random(in: 300...2500, using: &generator))
            // Sometimes a second member has a fault, which may interrupt the majority for a moment.
            let isDouble = Int.random(in: 0..<100, using: &generator) < 15
            var harmed = steps.filter { $0.end > start }
            while harmed.count > (isDouble ? 1 : 0) {
                start = harmed.map(\.end).min() ?? start
                harmed = steps.filter { $0.end > start }
            }
            let whole = (0..<members).filter { member in !harmed.contains { $0.member == member } }
            let isOfMember = Bool.random(using: &generator)
            let faults = Fault.allCases.filter { $0.isOfMember == isOfMember }
            let fault = faults.randomElement(using: &generator) ?? .killed
            let member = whole.randomElement(using: &generator) ?? 0
            let longest = harmed.isEmpty ? 6000 : 2000
            let length = fault.isInstant ? 0 : Int.random(in: 300...longest, using: &generator)
            steps.append(Step(start: start, length: .milliseconds(length), member: member, fault: fault))
        }
        return steps
    }
}

extension Duration {
    /// Such as `1.25 s`.
    var inSeconds: String { "\(Double(Int(self / .milliseconds(10))) / 100) s" }
}
