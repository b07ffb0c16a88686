// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("Poll", .unit, .timeLimit(.minutes(1)))
struct PollTests {
    @Test("an end can be written while there is room, and read once something is there or the other end is closed")
    func readiness() throws {
        let (reader, writer) = try Platform.makePipe()
        defer { Platform.close(reader) }
        func readiness(of descriptor: Int32) throws -> [Bool] {
            var entries = [Platform.PollEntry(descriptor)]
            _ = entries[0].setInterest(read: true, write: true)
            try Platform.wait(for: &entries, milliseconds: 0)
            return [entries[0].canRead, entries[0].canWrite]
        }
        #expect(try readiness(of: reader) == [false, true])
        #expect(try readiness(of: writer) == [false, true])
        for _ in 0..<100_000 { Platform.wake(writer) }
        #expect(try readiness(of: reader) == [true, true])
        #expect(try readiness(of: writer) == [false, false])
        Platform.drain(reader)
        #expect(try readiness(of: reader) == [false, true])
        #expect(try readiness(of: writer) == [false, true])
        Platform.close(writer)
        #expect(try readiness(of: reader) == [true, true])
    }
}
