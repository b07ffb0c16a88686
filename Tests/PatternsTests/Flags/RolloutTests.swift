// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdPatterns

@Suite("FeatureFlag: percentage rollouts", .unit, .timeLimit(.minutes(2)))
struct RolloutTests {
    /// A line of what `scripts/rollout-vectors.py` writes.
    private struct Vector: Decodable {
        let text: String?
        let seed: UInt32?
        let hash: UInt32?
        let group: String?
        let subject: String?
        let weights: [Int]?
        let part: Int?
    }

    private static func vectors() throws -> [Vector] {
        let file = Repository.url("scripts/rollout-vectors.jsonl")
        return try Data(contentsOf: file).split(separator: UInt8(ascii: "\n")).map {
            try JSONDecoder().decode(Vector.self, from: $0)
        }
    }

    @Test("hashes and parts are those of another implementation")
    func vectors() throws {
        var (hashes, parts) = (0, 0)
        for vector in try Self.vectors() {
            if let text = vector.text, let seed = vector.seed {
                var hash = MurmurHash3(seed: seed)
                hash.combine(text)
                #expect(hash.value == vector.hash, "\(text)")
                hashes += 1
            } else {
                let (group, subject) = (try #require(vector.group), try #require(vector.subject))
                let weights = try #require(vector.weights)
                let rollout = try #require(Rollout(weights))
                #expect(rollout.part(of: subject, in: group) == vector.part, "\(group) \(subject)")
                parts += 1
            }
        }
        #expect(hashes >= 40 && parts >= 400)
    }

    private static let users = (0..<10_000).map { "user-\($0)" }

    /// The users for whom a flag with a percentage is on.
    private func lucky(_ percentage: Double, flag name: String = "flag", group: String? = nil) -> Set<String> {
        var flag = FeatureFlag(serve: .percentage(percentage))
        flag.rolloutGroup = group
        let flags = FlagView([name: flag])
        return Set(Self.users.filter { flags.isEnabled(name, for: FlagContext($0)) })
    }

    @Test("a growing percentage removes no user, and matches the share of users")
    func growth() {
        var before: Set<String> = []
        for percentage in [0, 0.001, 0.5, 1, 2, 5, 10, 25, 33.333, 50, 75, 99, 99.9, 100] {
            let now = lucky(percentage)
            #expect(before.isSubset(of: now), "\(percentage) %")
            let expected = percentage * 100
            #expect(abs(Double(now.count) - expected) <= 5 * (expected * (100 - percentage) / 100).squareRoot() + 1)
            before = now
        }
        #expect(lucky(0).isEmpty && before.count == Self.users.count)
        // The control: a context that is assigned anew for each percentage may lose the flag.
        #expect(!lucky(10, group: "10").isSubset(of: lucky(20, group: "20")))
    }

    @Test(
        "an invalid percentage turns a flag on for nobody, and is not written",
        arguments: [.nan, -1, 101, .infinity]
    )
    func noPercentage(percentage: Double) {
        #expect(lucky(percentage).isEmpty)
        let flag = FeatureFlag(serve: .percentage(percentage))
        let evaluation = FlagView(["flag": flag]).evaluate("flag", default: false, for: FlagContext("user-1"))
        #expect(evaluation.variant == nil && evaluation.error?.code == .invalidDefinition)
        #expect(throws: EncodingError.self) { try JSONEncoder().encode(flag) }
        // Parts that are set later replace it.
        guard case .split(var split) = flag.serving else { return }
        split.parts = [.init(variant: "on", weight: 1)]
        #expect(FlagView(["flag": FeatureFlag(serve: .split(split))]).isEnabled("flag", for: FlagContext("user-1")))
    }

    @Test("a part that grows at the expense of the next keeps its users, whatever the sum of the weights")
    func severalParts() throws {
        func members(_ part: Int, _ weights: [Int]) throws -> Set<String> {
            let rollout = try #require(Rollout(weights))
            return Set(Self.users.filter { rollout.part(of: $0, in: "g") == part })
        }
        #expect(try members(0, [10, 20, 70]).isSubset(of: members(0, [15, 15, 70])))
        #expect(try members(1, [10, 20, 70]).isSubset(of: members(1, [10, 40, 50])))
        #expect(try members(2, [10, 20, 70]) == members(2, [15, 15, 70]))
        #expect(try members(0, [10, 20, 70]) == members(0, [100, 200, 700]))
        #expect(try members(0, [1, 99_999]).isSubset(of: members(0, [1, 9])))
        for weights in [[], [0], [-1, 2], [Int(Int32.max), 1], [.max, .max], [.min]] {
            #expect(Rollout(weights) == nil)
        }
    }

    @Test("two flags are independent, unless they are in one group")
    func independence() {
        for (first, second) in [("a", "b"), ("new-ui", "new-ui2"), ("checkout", "search")] {
            let (left, right) = (lucky(10, flag: first), lucky(10, flag: second))
            let both = Double(left.intersection(right).count)
            let (count, total) = ((Double(left.count), Double(right.count)), Double(Self.users.count))
            // Chi square of the table of four; beyond 15 is one case in ten thousand.
            var chiSquare = 0.0
            for (observed, share) in [
                (both, count.0 * count.1), (count.0 - both, count.0 * (total - count.1)),
                (count.1 - both, (total - count.0) * count.1),
                (total - count.0 - count.1 + both, (total - count.0) * (total - count.1)),
            ] {
                chiSquare += (observed - share / total) * (observed - share / total) / (share / total)
            }
            #expect(chiSquare < 15, "\(first) \(second)")
        }
        #expect(lucky(10, flag: "a", group: "g") == lucky(10, flag: "b", group: "g"))
        #expect(lucky(10, flag: "a", group: "g").isSubset(of: lucky(30, flag: "b", group: "g")))
        #expect(lucky(10, flag: "a") != lucky(10, flag: "b"), "control")
    }

    @Test("a split can be by an attribute: all users of an organization are in the same part")
    func attribute() {
        let flags = FlagView(["flag": FeatureFlag(serve: .percentage(50, by: "org"))])
        var sizes: Set<Bool> = []
        for organization in 0..<50 {
            let values = (0..<10).map { user in
                let context = FlagContext("user-\(user)", attributes: ["org": .int(organization)])
                return flags.isEnabled("flag", for: context)
            }
            #expect(Set(values).count == 1)
            sizes.formUnion(values)
        }
        #expect(sizes == [true, false])
        let evaluation = flags.evaluate("flag", default: true, for: FlagContext("user-1"))
        #expect(!evaluation.value && evaluation.variant == "off" && evaluation.reason == .error)
        #expect(evaluation.error?.code == .targetingKeyMissing)
    }
}
