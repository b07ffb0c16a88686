// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("Watch: a connection that is cut", .slow, .serialized, .timeLimit(.minutes(3)))
struct WatchResumptionTests {
    private static let valueCount = TestScale.pick(6_000, long: 20_000)
    private static let cutCount = TestScale.pick(15, long: 50)

    @Test("a watcher that is cut off again and again sees each of thousands of puts once and in order (jetcd#1227)")
    func exactResumption() async throws {
        let seen = try await valuesSeen { client, lastValue in
            var seen: [Int] = []
            for try await event in client.watch(.prefix("numbers/"), from: 1) {
                guard let number = number(in: event) else { continue }
                seen.append(number)
                if seen.last == lastValue { break }
            }
            return seen
        }
        #expect(firstDifference(seen, Array(0..<Self.valueCount)) == nil)
    }

    @Test("the control: a watcher that starts again from now loses some")
    func naiveResumption() async throws {
        let seen = try await valuesSeen { client, lastValue in
            var seen: [Int] = []
            while seen.last != lastValue, !Task.isCancelled {
                for await events in await watchWithoutResumption(client, .prefix("numbers/")) {
                    seen += events.compactMap(number)
                    if seen.last == lastValue { break }
                }
            }
            return seen
        }
        #expect(seen.count < Self.valueCount)
    }

    /// Writes numbered values past a watcher whose connection is cut at random, and returns what the watcher saw.
    private func valuesSeen(
        by watcher: @escaping @Sendable (EtcdClient, _ lastValue: Int) async throws -> [Int]
    ) async throws -> [Int] {
        try await withPrivateEtcd { writer, cluster in
            try await withFaultProxy(to: cluster.members[0].endpoint) { proxy in
                try await withEtcdClient(endpoints: proxy.endpoint) { client in
                    async let seen = watcher(client, Self.valueCount - 1)
                    async let cuts: Void = cutAtRandom(proxy)
                    let valuesPerCut = Self.valueCount / (Self.cutCount + 1)
                    for number in 0..<(Self.valueCount - 1) {
                        try await writer.put("numbers/\(number % 100)", "\(number)")
                        if number % valuesPerCut == 0 {
                            // Keeps the writer from finishing before the cuts.
                            try await eventually("cut \(number / valuesPerCut - 2)") {
                                await proxy.counters.acceptedConnections >= number / valuesPerCut - 1
                            }
                        }
                    }
                    // A cut waits for bytes.
                    async let _: Void = putAgainAndAgain(writer, "no number")
                    try await cuts
                    // The control may miss the last value, so it is put until the watcher has seen it.
                    async let _: Void = putAgainAndAgain(writer, "\(Self.valueCount - 1)")
                    return try await seen
                }
            }
        }
    }

    /// Puts a value until the task is cancelled.
    private func putAgainAndAgain(_ client: EtcdClient, _ value: Value) async throws {
        while !Task.isCancelled {
            try await client.put("numbers/end", value)
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// Cuts the watcher's connection again and again, each time after a random number of bytes.
    private func cutAtRandom(_ proxy: FaultProxy) async throws {
        for cut in 1...Self.cutCount {
            try await eventually("connection \(cut)") { await proxy.counters.acceptedConnections >= cut }
            await proxy.cut(afterBytes: .random(in: 0..<8000), .toClient)
        }
        try await eventually("the last cut") { await proxy.counters.acceptedConnections > Self.cutCount }
    }
}

private func number(in event: WatchEvent) -> Int? {
    event.entry.value.string.flatMap { Int($0) }
}

/// A client without resumption: a stream that watches from now, until it breaks.
@EventLoop
private func watchWithoutResumption(_ client: EtcdClient, _ range: KeyRange) -> AsyncStream<[WatchEvent]> {
    let (events, continuation) = AsyncStream.makeStream(of: [WatchEvent].self)
    let channel = client.core.channel
    _ = channel.whenReady { result in
        guard
            case .success(let link) = result,
            let stream = try? GRPCStream(
                Wire.watch,
                metadata: GRPCMetadata(authority: link.endpoint.description),
                maximumMessageSize: channel.configuration.maximumMessageSize,
                on: link.connection,
                onMessage: { response, _ in continuation.yield(response.events) },
                onEnd: { _ in continuation.finish() }
            )
        else { return continuation.finish() }
        stream.send(
            Wire.WatchRequest(create: Wire.WatchCreateRequest(key: range.start, rangeEnd: range.end))
        )
    }
    return events
}
