// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("AlertMatcher", .unit, .timeLimit(.minutes(1))) struct AlertMatcherTests {
    private func alert(_ labels: [String: String], _ severity: AlertSeverity = .warning) -> Alert {
        Alert("A", cluster: "prod-eu", AlertRule.Match(labels: labels, summary: ""), severity: severity, since: Date())
    }

    @Test(arguments: [
        ("", "", true), ("a", "", false), ("", "*", true), ("abc", "*", true), ("abc", "a*", true),
        ("abc", "*c", true), ("abc", "*b", false), ("abc", "a*c", true), ("abc", "a*b*c", true),
        ("abc", "a*bb*c", false),
        ("abcabc", "*abc", true), ("aab", "*ab", true), ("abc", "abc*", true), ("abc", "abc**", true),
        ("abc", "abcd", false), ("abc", "ab", false), ("ABC", "abc", false), ("a*c", "a*c", true), ("ä", "*", true),
        ("xäy", "x*y", true), ("a.c", "abc", false),
    ])
    func `A star stands for any text`(_ label: String, _ pattern: String, _ isMatch: Bool) {
        #expect(AlertMatcher("x", pattern).matches(alert(["x": label])) == isMatch)
        #expect(AlertMatcher("x", pattern, isEqual: false).matches(alert(["x": label])) == !isMatch)
    }

    @Test func `Labels, the severity and the name can be matched, and a label that is not there is empty`() {
        let alert = alert(["member": "1"], .critical)
        for (name, value) in [
            ("alertname", "A"), ("cluster", "prod-*"), ("member", "1"), ("severity", "critical"), ("zone", ""),
        ] {
            #expect(AlertMatcher(name, value).matches(alert), "\(name)")
        }
        #expect(!AlertMatcher("zone", "", isEqual: false).matches(alert))
        #expect([AlertMatcher("member", "1"), AlertMatcher("cluster", "test")].match(alert) == false)
        #expect([AlertMatcher]().match(alert))
    }

    @Test func `A hostile pattern takes no more steps than the product of the lengths`() {
        let label = String(repeating: "a", count: 2000)
        let pattern = String(repeating: "*a", count: 200) + "b"
        #expect(!AlertMatcher("x", pattern).matches(alert(["x": label])))
    }
}
