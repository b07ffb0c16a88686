// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct FindingTests {
    @Test(arguments: Finding.Code.allCases) func `Every kind of finding has a guide`(_ code: Finding.Code) {
        #expect(!code.title.isEmpty && code.title != code.rawValue)
        #expect(code.meaning.hasSuffix(".") && code.advice.hasSuffix("."))
        #expect(!code.meaning.contains("\\") && !code.advice.contains("  "))
    }

    @Test func `The advice for a full database has its three steps in order`() throws {
        let advice = Finding.Code.alarmNoSpace.advice
        let steps = ["etcdctl compact", "etcdctl defrag", "etcdctl alarm disarm"].map {
            advice.range(of: $0)?.lowerBound
        }
        let places = try steps.map { try #require($0) }
        #expect(places == places.sorted())
    }

    @Test func `A finding is written with its advice and its runbook, and read back without`() throws {
        let id = Finding.ID(.memberDown, "a2")
        let finding = Finding(id, .degraded, "gone", since: Date(timeIntervalSince1970: 5), evidence: ["voters": 3])
        let data = try JSONEncoder().encode(finding)
        let object = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        #expect(object["advice"] as? String == Finding.Code.memberDown.advice)
        #expect(object["runbook"] as? String == "Docs/Monitoring.md#member-down")
        #expect(try JSONDecoder().decode(Finding.self, from: data) == finding)
    }
}
