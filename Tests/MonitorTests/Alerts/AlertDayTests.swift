// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("AlertEngine: a synthetic day", .slow, .timeLimit(.minutes(3))) struct AlertDayTests {
    @Test("Each channel knows exactly the alerts that fire, whatever fails", arguments: [15] as [UInt64])
    func day(_ seed: UInt64) throws {
        var day = AlertDay(seed: seed)
        try day.run(polls: 86_400 / Int(AlertDay.step))
        try day.recover(polls: 200)
        #expect(day.problems == [])
        #expect(day.bench.engine.alerts.count == 3)
        for channel in AlertDay.names {
            // The watchdog goes on.
            #expect(day.bench.open(channel) == (channel == "prom" ? ["Watch", "Watch", "Watch"] : []), "\(channel)")
        }
        // The control: each kind of fault has happened.
        let events = [
            "blind", "outage", "silenced", "inhibited", "in maintenance", "crash", "restart", "clock back",
            "clock forward",
        ]
        for event in events {
            #expect(day.counts[event, default: 0] > 0, "\(event)")
        }
        let log = AlertDay.names.flatMap { day.bench.log($0) }
        for word in ["fired", "changed", "repeated", "resolved"] {
            #expect(log.count { $0.hasPrefix(word) } > 30, "\(word)")
        }
        #expect(day.bench.receivers.values.contains { $0.duplicates > 0 })
    }
}
