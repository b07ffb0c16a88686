// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("ServiceDiscovery: the changes that it remembers", .unit)
struct ChangeLogTests {
    @Test("positions stay valid when the oldest changes are forgotten")
    func forgetting() {
        var log = ChangeLog()
        for number in 0..<5500 { log.append(ChangeLog.Change(id: Key("\(number)"), departure: nil)) }
        #expect(log.end == 5500)
        #expect(log.changes(after: 5498).map(\.id) == ["5498", "5499"])
        #expect(log.isComplete(after: 5500 - ChangeLog.memory))
        #expect(!log.isComplete(after: 0) && !log.isComplete(after: 5500 - 2 * ChangeLog.memory))
    }
}
