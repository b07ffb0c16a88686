// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

/// `make test` runs one test at a time in a process, so what is measured is only the client's.
@Suite("Watch: a slow consumer", .slow, .serialized, .timeLimit(.minutes(3)))
struct SlowConsumerTests {
    private static let canMeasure = ProcessFigures.areAvailable && !ProcessFigures.isThreadSanitized

    @Test(
        "many megabytes of events, unread, take less than 16 MB; others go on; then all of them arrive (kubernetes#138217)",
        .enabled(if: canMeasure)
    )
    func boundedMemory() async throws {
        let growth = try await growthWithUnreadEvents(bufferSize: WatchOptions().bufferSize)
        #expect(growth < 16 << 20)
    }

    @Test("the control: an unbounded buffer holds all events in memory", .enabled(if: canMeasure))
    func unboundedMemory() async throws {
        let growth = try await growthWithUnreadEvents(bufferSize: .max)
        // Some of it uses memory that earlier tests have freed.
        #expect(growth > TestScale.pick(32, long: 80) << 20)
    }

    /// On a slow connection, answers come in small pieces.
    @Test(
        "the server sends ahead as much as the window holds, and no more than one answer beyond that",
        arguments: [(256 << 10, nil), (1 << 20, nil), (1 << 20, 3_000_000), (8 << 20, nil)] as [(Int, Int?)]
    )
    func window(bufferSize: Int, bytesPerSecond: Int?) async throws {
        try await withPrivateEtcd { writer, cluster in
            try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                try await withEtcdClient(endpoints: proxy.endpoint) { client in
                    var options = WatchOptions()
                    options.bufferSize = bufferSize
                    try await client.withWatch(.prefix("k"), options: options) { events in
                        let watcher = try #require(events.running?.watcher)
                        let value = Value(bytes: Array(repeating: 1, count: 50_000))
                        var count = 0
                        func put(_ number: Int) async throws {
                            for _ in 0..<number { try await writer.put("k", value) }
                            count += number
                        }
                        // While both write and read, the share of the shared stream is open: it has no window of its own.
                        try await eventually("the watch has a stream of its own") {
                            try await put(5)
                            return await watcher.hasOwnStream
                        }
                        try await eventually("nothing more comes of what was written") {
                            let before = await proxy.counters.bytesToClient
                            try await Task.sleep(for: .milliseconds(200))
                            return await proxy.counters.bytesToClient == before
                        }
                        await proxy.limit(bytesPerSecond: bytesPerSecond, .toClient)
                        let before = await proxy.counters.bytesToClient
                        // A stream begins with a window of 1 MiB, before its own size is announced.
                        let window = max(bufferSize, 1 << 20)
                        try await put(window / 50_000 * 2 + 100)
                        try await eventually("the window is full") {
                            await proxy.counters.bytesToClient > before + window / 2
                        }
                        try await Task.sleep(for: .milliseconds(bytesPerSecond == nil ? 300 : 1500))
                        let sent = await proxy.counters.bytesToClient - before
                        // An answer that has begun is accepted: an answer of etcd with many events has 2 MiB at most.
                        #expect(sent < window + (2 << 20) + (64 << 10), "\(sent) bytes")
                        await proxy.limit(bytesPerSecond: nil, .toClient)
                        var iterator = events.makeAsyncIterator()
                        for _ in 0..<count { _ = try await iterator.next() }
                    }
                }
            }
        }
    }

    @Test("a compaction of events that have not arrived is a typed error after the buffered events")
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

/// Writes 80 MB, or 200 in the long form, that a watch does not read, checks that it then sees all, and returns how much memory had grown.
private func growthWithUnreadEvents(bufferSize: Int) async throws -> Int {
    let count = TestScale.pick(1600, long: 4000)
    let value = Value(bytes: Array(repeating: 1, count: 50_000))
    return try await withPrivateEtcd { client, _ in
        // The memory that writing itself takes is allocated before the measurement.
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
