// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Testing

@Suite("DistributedLock: self-fencing", .cluster, .timeLimit(.minutes(PatternRun.minutes)))
struct SelfFencingTests {
    private static let trialsPerRound = 50

    @Test("a holder without renewals knows that its lock is lost before the server deletes its key")
    func lead() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            var trials: [SelfFencingTrial] = []
            try await PatternRun.repeating { round in
                // In the long form, longer ones too.
                let timeToLive = Duration.seconds([2, 2, 5, 2, 2, 10][round % 6])
                trials += try await Self.round(round, at: endpoint, timeToLive)
            }
            let leads = trials.map(\.lead).sorted()
            let naive = trials.map(\.naiveLead).sorted()
            print(
                """
                self-fencing, \(trials.count) trials: the lead is \(Self.figures(leads)); \
                with the time of hearing it would be \(Self.figures(naive)), \
                and too late in \(naive.count { $0 <= .zero })
                """
            )
            let late = trials.filter { $0.lead <= .zero }
            #expect(late.isEmpty, "\(late)")
            #expect(naive.contains { $0 < .zero }, "the control: whoever counts from when it hears may be late")
        }
    }

    @Test("a trial that fails while the lock is held ends")
    func failure() async throws {
        struct Failure: Error {}
        let endpoint = try await liveEndpoint()
        try await withLiveClient { client, name in
            await #expect(throws: Failure.self) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        _ = try await SelfFencingTrial.play(
                            .allHeld,
                            name,
                            at: endpoint,
                            timeToLive: .seconds(600),
                            Deletions()
                        )
                    }
                    try await eventually("the lock is held") { try await client.range(.prefix(name)).count > 0 }
                    throw Failure()
                }
            }
        }
    }

    private static func round(
        _ number: Int,
        at endpoint: String,
        _ timeToLive: Duration
    ) async throws -> [SelfFencingTrial] {
        let name = Key("fence-\(number)/")
        let deletions = Deletions()
        return try await withEtcdClient(endpoints: endpoint) { witness in
            try await witness.withWatch(.prefix(name)) { events in
                let following = Task { try await deletions.follow(events) }
                defer { following.cancel() }
                return try await withThrowingTaskGroup(of: SelfFencingTrial.self) { group in
                    for trial in 0..<trialsPerRound {
                        let name = name + "\(trial)"
                        group.addTask {
                            try await .play(fault(of: trial), name, at: endpoint, timeToLive: timeToLive, deletions)
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
            }
        }
    }

    /// The fault of each trial; the fault that the control needs comes more often.
    private static func fault(of trial: Int) -> SelfFencingTrial.Fault {
        let faults = SelfFencingTrial.Fault.allCases + [.lateAnswers, .lateAnswers]
        return faults[trial % faults.count]
    }

    private static func figures(_ sorted: [Duration]) -> String {
        guard let least = sorted.first else { return "unknown" }
        let median = sorted[sorted.count / 2]
        return "at least \(least.inMilliseconds), in the median \(median.inMilliseconds)"
    }
}

extension Duration {
    fileprivate var inMilliseconds: String { "\(Int(self / .milliseconds(1))) ms" }
}
