// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("ConfigManager: errors and events", .live, .timeLimit(.minutes(1)))
struct ConfigReportTests {
    private let large = String(repeating: "x", count: 3_000_000)

    @Test("a value that is too large is refused with its key, its size and the limit")
    func size() async throws {
        try await withLiveClient { client, name in
            try await client.withConfiguration("\(name)") { config in
                func expectTooLarge(_ write: () async throws -> Void) async {
                    let error = await #expect(throws: EtcdError.self) { try await write() }
                    #expect(error?.code == .requestTooLarge)
                    #expect(error?.message.contains("\"\(name)/big\" has 3000000 bytes") == true, "\(error as Any)")
                    #expect(error?.message.contains("more than the") == true, "the limit: \(error as Any)")
                }
                await expectTooLarge { try await config.set("big", large) }
                await expectTooLarge {
                    try await config.change { edit in
                        try edit.set("a", "small")
                        try edit.set("big", large)
                    }
                }
                // The state would be in effect, but could never be copied.
                await expectTooLarge { try await SnapshotManager(config).replace(with: ["big": large]) }
                #expect(config.values().isEmpty)
                try await config.set("a", 1)
            }
        }
    }

    @Test("events report rejected states, and a file that cannot be written")
    func events() async throws {
        let events = Lock<[String]>([])
        try await withLiveClient { client, name in
            let options = ConfigOptions(file: .init("/nowhere/config")) { config in
                if config.int("port", default: 80) < 1 { throw ConfigError.invalid("port", "must be at least 1") }
            }
            let config = try await ConfigManager("\(name)", client: client, options: options) { event in
                events.withLock { $0.append("\(event)") }
            }
            let bad = try await client.put(name + "/port", "0").header.revision
            try await config.waitUntil(revision: bad)
            let rejected = "rejected: revision \(bad): invalid: \"port\" must be at least 1"
            #expect(events.withLock { $0.contains(rejected) }, "\(events.withLock { $0 })")
            #expect(config.rejection.map { "rejected: \($0)" } == rejected)
            // It is tried again and again, and reported once.
            try await Task.sleep(for: .seconds(3))
            #expect(events.withLock { $0.count { $0.hasPrefix("the file failed: fileNotWritten") } } == 1)
            await config.close()
        }
    }

    @Test("a view can be made of values, for tests of code that uses one")
    func made() throws {
        let view = ConfigView(["port": 80, "host": "db", "wait": Duration.seconds(90), ".own": 1], revision: 3)
        #expect(try view.int("port") == 80 && view.string("host") == "db")
        #expect(try view.duration("wait") == .seconds(90))
        #expect(view.values().count == 3 && "\(view)" == "3 values at revision 3")
        #expect(view.int("host", default: 7) == 7 && view.bool("none", default: true))
        let change = ConfigChange(key: "port", old: nil, new: "80", revision: 3)
        #expect("\(change)" == #""port" was unset, is "80""#)
        #expect(try change.value(as: Int.self) == 80)
        #expect(ConfigView(["port": 80]).changes(since: ConfigView([:])).map(\.key) == ["port"])
        let error = ConfigError(.invalid, "no", cause: ConfigError.missing("a"))
        #expect(error.localizedDescription == "invalid: no (missing: \"a\" has no value)")
    }

    @Test("a wait that is cancelled throws CancellationError; after the end of the manager it is an EtcdError")
    func waits() async throws {
        try await withLiveClient { client, name in
            let config = try await ConfigManager("\(name)", client: client)
            let waiter = Task { try await config.waitUntil(revision: 1_000_000_000) }
            waiter.cancel()
            await #expect(throws: CancellationError.self) { try await waiter.value }
            await config.close()
            await expectError(.cancelled) { try await config.waitUntil(revision: 1_000_000_000) }
        }
    }
}
