// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import EtcdTesting
import Testing

@Suite("FenceGate", .live, .timeLimit(.minutes(2)))
struct FenceGateTests {
    @Test("a gate lets in the newest leader and its equals, and refuses older ones")
    func order() throws {
        let gate = FenceGate(highest: 5)
        #expect(throws: FenceGate.Refusal.outdated(4, highest: 5)) { try gate.admit(4) }
        try gate.admit(5)
        try gate.admit(5)
        try gate.admit(9)
        #expect(throws: FenceGate.Refusal.outdated(5, highest: 9)) { try gate.admit(5) }
        #expect(gate.highest == 9)
    }

    @Test(
        "a token survives a round trip in a header, and an invalid header is refused",
        arguments: [
            "", " 1", "1 ", "+1", "-1", "0", "01", "1.0", "0x1", "one", "9223372036854775808", "１",
        ]
    )
    func header(malformed: String) throws {
        let gate = FenceGate()
        try gate.admit(headerValue: FenceGate.headerValue(of: 7))
        #expect(gate.highest == 7)
        #expect(throws: FenceGate.Refusal.missing) { try gate.admit(headerValue: nil) }
        #expect(throws: FenceGate.Refusal.malformed(malformed)) { try gate.admit(headerValue: malformed) }
        #expect(gate.highest == 7)
        try gate.admit(headerValue: "9223372036854775807")
        #expect(throws: FenceGate.Refusal.outdated(7, highest: Revision(rawValue: .max))) { try gate.admit(7) }
    }

    @Test("a late request of the old leader is refused after the first one of its successor")
    func leaders() async throws {
        try await withSession { session, name in
            let gate = FenceGate()
            let old = try await LeaderElection("\(name)", candidate: "a", on: .session(session)).campaign()
            try gate.admit(old.fencingToken)
            await old.resign()
            let new = try await LeaderElection("\(name)", candidate: "b", on: .session(session)).campaign()
            // Until the first request of the successor, the gate cannot know its token.
            try gate.admit(old.fencingToken)
            try gate.admit(new.fencingToken)
            #expect(throws: FenceGate.Refusal.outdated(old.fencingToken, highest: new.fencingToken)) {
                try gate.admit(old.fencingToken)
            }
            await new.resign()
        }
    }
}
