// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

/// `make test` runs one test at a time, so what is measured is only the client's.
@Suite("A watch whose consumer is slow", .serialized, .timeLimit(.minutes(3)))
struct SlowConsumerTests {
    private static let canMeasure = ProcessFigures.areAvailable && !ProcessFigures.isThreadSanitized

    @Test(
        "200 MB of events, unread, take less than 16 MB; others go on; then all of them arrive (kubernetes#138217)",
        .enabled(if: canMeasure)
    )
    func boundedMemory() async throws {
        let growth = try await growthWithUnreadEvents(bufferSize: WatchOptions().bufferSize)
        #expect(growth < 16 << 20)
    }

    @Test("the control: a buffer without a bound takes all of it", .enabled(if: canMeasure))
    func unboundedMemory() async throws {
        let growth = try await growthWithUnreadEvents(bufferSize: .max)
        // Some of it goes where memory of earlier tests was.
        #expect(growth > 80 << 20)
    }

    @Test("what the server sends ahead follows the size of the buffer", arguments: [256 << 10, 1 << 20, 8 << 20])
    func window(bufferSize: Int) async throws {
        try await withPrivateEtcd { writer, cluster in
            try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                try await withEtcdClient(endpoints: proxy.endpoint) { client in
                    var options = WatchOptions()
                    options.bufferSize = bufferSize
                    try await client.withWatch(.prefix("k"), options: options) { events in
                        let value = Value(bytes: Array(repeating: 1, count: 50_000))
                        let count = bufferSize / 50_000 * 4 + 100
                        for number in 0..<count { try await writer.put("k", Value("\(number)")) }
                        for _ in 0..<count { try await writer.put("k", value) }
                        // The buffer, and then the window of the watch's own stream.
                        let window = max(bufferSize, 1 << 20)
                        try await eventually("they are full") {
                            await proxy.counters.bytesToClient > bufferSize + window * 3 / 4
                        }
                        try await Task.sleep(for: .milliseconds(300))
                        #expect(await proxy.counters.bytesToClient < bufferSize * 2 + (3 << 20))
                        var iterator = events.makeAsyncIterator()
                        for _ in 0..<count * 2 { _ = try await iterator.next() }
                    }
                }
            }
        }
    }

    @Test("what is compacted before it arrived is a typed error, after all that was buffered")
    func compaction() async throws {
        try await withPrivateEtcd { client, cluster in
            try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                try await withEtcdClient(endpoints: proxy.endpoint) { watching in
                    try await watching.withWatch(.prefix("k")) { events in
                        for number in 0..<200 { try await client.put("k", "\(number)") }
                        // The events of a stream come in order, so all are buffered when a later one is here.
                        try await watching.withWatch(.key("marker")) { marker in
                            var marker = marker.makeAsyncIterator()
                            try await client.put("marker", "x")
                            _ = try await marker.next()
                        }
                        await proxy.refuseConnections()
                        await proxy.cut()
                        for number in 200..<400 { try await client.put("k", "\(number)") }
                        let newest = try await client.put("k", "end").header.revision
                        try await client.compact(at: newest)
                        try await proxy.acceptConnections()

                        var seen: [String?] = []
                        await expectError(.compacted) {
                            for try await event in events { seen.append(event.entry.value.string) }
                        }
                        #expect(seen == (0..<200).map { "\($0)" })
                    }
                }
            }
        }
    }
}

/// Writes 200 MB that a watch does not read, checks that it then sees all, and returns how much memory had grown.
private func growthWithUnreadEvents(bufferSize: Int) async throws -> Int {
    let count = 4000
    let value = Value(bytes: Array(repeating: 1, count: 50_000))
    return try await withPrivateEtcd { client, _ in
        // What writing itself takes is there before the measurement.
        for number in 0..<400 { try await client.put("warm-up/\(number % 4)", value) }
        var options = WatchOptions()
        options.bufferSize = bufferSize
        return try await client.withWatch(.prefix("k/"), options: options) { events in
            var iterator = events.makeAsyncIterator()
            try await client.put("k/first", "1")
            _ = try await iterator.next()

            ProcessFigures.releaseFreeMemory()
            let before = ProcessFigures.residentMemory
            var peak = before
            // Another watch on the same stream, and calls on the same connection, must not notice.
            try await client.withWatch(.key("other")) { others in
                var others = others.makeAsyncIterator()
                for number in 0..<count {
                    try await client.put("k/\(number)", value)
                    peak = max(peak, ProcessFigures.residentMemory)
                    if number % 100 == 0 {
                        try await client.put("other", "\(number)")
                        let event = try await others.next()
                        try #require(event?.entry.value.string == "\(number)")
                    }
                }
            }
            for number in 0..<count {
                let event = try #require(try await iterator.next())
                try #require(event.key == "k/\(number)" && event.entry.value == value)
            }
            return peak - before
        }
    }
}
