// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct ThresholdTests {
    @Test(arguments: Decision.all)
    func `A threshold decides whether a finding is raised`(_ decision: Decision) throws {
        try judge(decision, metricsEvery: 1)
    }

    /// Of two restarts between two readings of the metrics, only one is seen.
    @Test(arguments: Decision.all.filter { !$0.threshold.hasPrefix("restarts") })
    func `A threshold decides the same, if later, with metrics in every third poll`(_ decision: Decision) throws {
        try judge(decision, metricsEvery: 3)
    }

    private func judge(_ decision: Decision, metricsEvery: Int) throws {
        var defaults = Thresholds()
        decision.base(&defaults)
        let text = try JSONEncoder().encode(defaults)
        var values = try #require(JSONSerialization.jsonObject(with: text) as? [String: Any])
        let isWhole = decision.value.rounded() == decision.value
        values[decision.threshold] = isWhole ? Int(decision.value) as Any : decision.value
        let data = try JSONSerialization.data(withJSONObject: values)
        let changed = try JSONDecoder().decode(Thresholds.self, from: data)

        let interest = [decision.byDefault, decision.changed].compactMap {
            $0?.split(separator: " ").last.map(String.init)
        }
        func found(_ thresholds: Thresholds, _ expected: String?) -> String? {
            var cluster = SimulatedCluster(thresholds)
            cluster.metricsEvery = metricsEvery
            func text(_ assessment: Assessment) -> String? {
                let finding = assessment.findings.first { interest.contains($0.id.description) }
                return finding.map { "\($0.verdict) \($0.id)" }
            }
            var found = text(decision.life(&cluster))
            // Two readings may have to agree.
            for _ in 0..<2 * (metricsEvery - 1) where found != expected { found = text(cluster.poll()) }
            return found
        }
        #expect(found(defaults, decision.byDefault) == decision.byDefault)
        #expect(found(changed, decision.changed) == decision.changed)
    }

    @Test func `Every threshold has a test in which it decides`() throws {
        let values = try JSONSerialization.jsonObject(with: JSONEncoder().encode(Thresholds())) as? [String: Any]
        let names = Set(try #require(values).keys)
        #expect(names == Set(Decision.all.map(\.threshold)))
        #expect(names.count == Mirror(reflecting: Thresholds()).children.count)
    }

    @Test func `Thresholds that are left out have their defaults, and null stands for no limit`() throws {
        let text = #"{"pollsNeeded": 1, "clockSpreadSeconds": 5.5, "maximumDatabaseBytes": null, "minimumVoters": 2}"#
        let thresholds = try JSONDecoder().decode(Thresholds.self, from: Data(text.utf8))
        var expected = Thresholds()
        (expected.pollsNeeded, expected.clockSpreadSeconds, expected.minimumVoters) = (1, 5.5, 2)
        #expect(thresholds == expected)
        #expect(try JSONDecoder().decode(Thresholds.self, from: JSONEncoder().encode(expected)) == expected)
    }

    @Test(arguments: [
        (#"{"clockSpread": 5}"#, "clockSpread"), (#"{"quotaNoticeRatio": 1.5}"#, "quotaNoticeRatio"),
        (#"{"clockSpreadSeconds": -1}"#, "clockSpreadSeconds"), (#"{"restarts": 0}"#, "restarts"),
        (#"{"pollsNeeded": 4}"#, "pollsNeeded"), (#"{"restarts": null}"#, "restarts"),
        (#"{"clockSpreadSeconds": "5"}"#, "clockSpreadSeconds"), (#"{"restarts": 2.5}"#, "restarts"),
    ])
    func `An invalid threshold is refused by name`(_ text: String, _ name: String) {
        let error = #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(Thresholds.self, from: Data(text.utf8))
        }
        #expect(error.map { "\($0)" }?.contains(name) ?? false)
    }

    @Test func `Thresholds that are not numbers do not trap`() {
        var thresholds = Thresholds()
        thresholds.leaderlessSeconds = .infinity
        thresholds.diskWindowSeconds = .nan
        thresholds.growthWindowSeconds = -1
        (thresholds.pollsNeeded, thresholds.pollsConsidered) = (0, -3)
        var cluster = SimulatedCluster(thresholds)
        cluster.isolate(0xa2)
        #expect(cluster.poll(times: 20).raised == ["member-isolated:a2"])
    }
}
