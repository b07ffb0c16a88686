// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// `entries` with a server that can stream ranges, as etcd from 3.7 on.
@Suite("EntrySequence: streamed", .cluster, .timeLimit(.minutes(1)))
@EventLoop
struct RangeStreamTests {
    /// A store of the keys `k1000` and following, if the first is not another, which answers ranges in parts of three.
    @EventLoop
    private final class Store {
        let entries: [KeyValue]
        var pages: [Wire.RangeRequest] = []
        var streams: [Wire.RangeRequest] = []
        /// The treatment of a stream instead of an answer, by its number from 0.
        var refusal: (Int) -> (GRPCStatus.Code, String)? = { _ in nil }
        /// After how many parts the stream of a number is reset.
        var partsBeforeReset: (Int) -> Int? = { _ in nil }
        /// After how many parts the stream of a number ends with a status.
        var partsBeforeStatus: (Int) -> (Int, GRPCStatus.Code, String)? = { _ in nil }
        /// How many entries a part of the stream of a number has.
        var partSize: (Int) -> Int = { _ in 3 }
        private var server: FakeServer?

        init(count: Int, from first: Int = 1000, value: (Int) -> Value = { Value("\($0)") }) throws {
            entries = (0..<count).map { KeyValue(Key("k\(first + $0)"), value($0), at: 1) }
            server = try FakeServer { [weak self] in self?.received($0) }
        }

        var address: String { server?.address ?? "" }

        func with(
            _ configure: (inout EtcdClient.Configuration) -> Void = { _ in },
            _ body: @EventLoop (EtcdClient) async throws -> Void
        ) async throws {
            let client = try #require(server).client(configure)
            try await body(client)
            await client.close()
            server?.stop()
        }

        private func received(_ exchange: HTTP2ServerExchange) {
            // Other requests, such as health checks, are answered with `unimplemented`.
            let paths = [Wire.range.path, Wire.rangeStream.path]
            guard let path = exchange.headers[":path"], paths.contains(path) else {
                return exchange.refuse(.unimplemented, "unknown method")
            }
            guard let request = exchange.takeMessages(Wire.RangeRequest.self).first else { return }
            var found = entries.filter { request.range.contains($0.key) }
            let isCut = request.limit > 0 && found.count > request.limit
            if isCut { found = Array(found.prefix(Int(request.limit))) }
            var last = RangeResponse()
            last.header.clusterID = 7
            last.header.revision = 42
            last.more = isCut
            if exchange.headers[":path"] == Wire.range.path {
                pages.append(request)
                last.entries = found
                return exchange.answer(with: last)
            }
            let number = streams.count
            streams.append(request)
            if let (code, text) = refusal(number) { return exchange.refuse(code, text) }
            exchange.send(HTTP2ServerExchange.grpcHeaders)
            let size = partSize(number)
            for (index, start) in stride(from: 0, to: found.count, by: size).enumerated() {
                if index == partsBeforeReset(number) { return exchange.reset(.cancel) }
                if let (count, code, text) = partsBeforeStatus(number), index == count {
                    return exchange.end(trailers: [("grpc-status", "\(code.rawValue)"), ("grpc-message", text)])
                }
                var part = RangeResponse()
                part.entries = Array(found[start..<min(start + size, found.count)])
                exchange.send(Wire.RangeStreamResponse(part: part))
            }
            exchange.send(Wire.RangeStreamResponse(part: last))
            exchange.end(trailers: [("grpc-status", "0")])
        }
    }

    private func collect(_ entries: EntrySequence) async throws -> [KeyValue] {
        var all: [KeyValue] = []
        for try await entry in entries { all.append(entry) }
        return all
    }

    @Test("the entries after the first page come on one stream, at the revision of the page")
    func stream() async throws {
        let store = try Store(count: 100)
        try await store.with { client in
            let read = try await collect(client.entries(in: .prefix("k"), pageSize: 10))
            #expect(read == store.entries)
            #expect(store.pages.count == 1 && store.streams.count == 1)
            #expect(store.streams.first?.revision == 42 && store.streams.first?.limit == 0)
            #expect(store.streams.first?.key == Array("k1009\0".utf8))
        }
    }

    @Test("a stream stays in the namespace of its client")
    func namespace() async throws {
        let store = try Store(count: 100)
        try await store.with { client in
            let read = try await collect(client.with(namespace: "k10").entries(in: .all, pageSize: 10))
            #expect(read.map(\.key) == (0..<100).map { Key("\($0 < 10 ? "0" : "")\($0)") })
            #expect(store.streams.map(\.key) == [Array("k1009\0".utf8)])
        }
    }

    @Test(
        "a range that fits a page needs no stream, and a limit covers page and stream together",
        arguments: [5, 10, 11, 50, 200]
    )
    func limit(limit: Int) async throws {
        let store = try Store(count: 100)
        try await store.with { client in
            var options = RangeOptions()
            options.limit = limit
            let read = try await collect(client.entries(in: .all, pageSize: 10, options: options))
            #expect(read == Array(store.entries.prefix(limit)))
            #expect(store.pages.count == 1 && store.streams.count == (limit > 10 ? 1 : 0))
            if limit > 10 { #expect(store.streams.first?.limit == Int64(limit - 10)) }
        }
    }

    @Test("a server without streams is not asked for one again for a while")
    func unimplemented() async throws {
        let store = try Store(count: 100)
        store.refusal = { _ in (.unimplemented, "unknown method RangeStream for service etcdserverpb.KV") }
        try await store.with { client in
            for _ in 0..<3 {
                let read = try await collect(client.entries(in: .all, pageSize: 10))
                #expect(read == store.entries)
            }
            #expect(store.streams.count == 1 && store.pages.count == 30)
        }
    }

    @Test("reading resumes where a stream broke off", arguments: [0, 1, 2])
    func brokenOff(afterParts count: Int) async throws {
        let store = try Store(count: 100)
        store.partsBeforeReset = { $0 % 2 == 0 ? count : nil }
        try await store.with { client in
            let read = try await collect(client.entries(in: .all, pageSize: 10))
            #expect(read == store.entries)
            #expect(store.streams.count > 1)
            #expect((store.pages.dropFirst() + store.streams).allSatisfy { $0.revision == 42 })
        }
    }

    @Test(
        "after a stream that ends for want of a token, a page continues and gets a new token",
        arguments: ["etcdserver: revision of auth store is old", "etcdserver: invalid auth token"]
    )
    func rejectedToken(text: String) async throws {
        let store = try Store(count: 100)
        store.partsBeforeStatus = { $0 < 2 ? (2, .invalidArgument, text) : nil }
        try await store.with { client in
            let read = try await collect(client.entries(in: .all, pageSize: 10))
            #expect(read == store.entries)
            #expect(store.streams.count == 3 && store.pages.count == 3)
            #expect(store.streams.dropFirst().first?.key == Array("k1025\0".utf8), "after six of a stream and a page")
        }
    }

    @Test("after a stream whose messages grow too large, pages continue, as small as they must be")
    func tooLarge() async throws {
        let store = try Store(count: 100)
        // An entry takes thirteen bytes or so.
        store.partSize = { $0 == 0 ? 30 : 3 }
        try await store.with {
            $0.maximumMessageSize = 200
        } _: { client in
            let read = try await collect(client.entries(in: .all, pageSize: 16))
            #expect(read == store.entries)
            #expect(store.streams.count == 2 && store.pages.contains { $0.limit == 8 })
        }
    }

    @Test("an entry that is too large by itself is a typed error")
    func entryTooLarge() async throws {
        let store = try Store(count: 10)
        try await store.with {
            $0.maximumMessageSize = 8
        } _: { client in
            await expectError(.responseTooLarge) { try await collect(client.entries(in: .all, pageSize: 4)) }
            #expect(store.pages.last?.limit == 1)
        }
    }

    @Test("in a rolling upgrade, streams are opened at the members that support them")
    func upgrade() async throws {
        let stores = [try Store(count: 100), try Store(count: 100)]
        stores[0].refusal = { _ in (.unimplemented, "unknown method RangeStream for service etcdserverpb.KV") }
        let client = try EtcdClient(endpoints: stores.map(\.address))
        _ = try await client.get("k")
        try await eventually("both are connected") { client.core.channel.links.count == 2 }
        for _ in 0..<6 {
            // So that streams are opened at both members.
            _ = try await client.get("k")
            let read = try await collect(client.entries(in: .all, pageSize: 10))
            #expect(read == stores[0].entries)
        }
        #expect(stores[0].streams.count == 1 && stores[1].streams.count >= 5)
        await client.close()
    }

    @Test("a revision that was compacted meanwhile is a typed error")
    func compacted() async throws {
        let store = try Store(count: 100)
        store.refusal = { _ in (.outOfRange, "etcdserver: mvcc: required revision has been compacted") }
        try await store.with { client in
            await expectError(.compacted) { try await collect(client.entries(in: .all, pageSize: 10)) }
        }
    }

    @Test("filters by revision, which servers do not stream, are read by pages")
    func filters() async throws {
        let store = try Store(count: 30)
        try await store.with { client in
            var options = RangeOptions()
            options.minModRevision = 1
            let read = try await collect(client.entries(in: .all, pageSize: 10, options: options))
            #expect(read == store.entries)
            #expect(store.pages.count == 3 && store.streams.isEmpty)
        }
    }

    @Test("pages grow until they hold a megabyte or 10,000 entries")
    func pagesGrow() async throws {
        let small = try Store(count: 30_000, from: 100_000)
        small.refusal = { _ in (.unimplemented, "unknown method RangeStream") }
        try await small.with { client in
            let read = try await collect(client.entries(in: .all))
            #expect(read == small.entries)
            #expect(small.pages.map(\.limit) == [1000, 2000, 4000, 8000, 10_000, 10_000])
        }
        let large = try Store(count: 1500) { _ in Value(bytes: [UInt8](repeating: 7, count: 9_995)) }
        large.refusal = small.refusal
        try await large.with { client in
            let read = try await collect(client.entries(in: .all))
            #expect(read == large.entries)
            #expect(large.pages.map(\.limit) == [1000, 100, 100, 100, 100, 100])
        }
    }

    /// The server has sent all parts of a stream.
    private nonisolated static func isEnd(_ event: EtcdClient.Event) -> Bool {
        if case .callFinished(let call, _) = event { call.method == Wire.rangeStream.path } else { false }
    }

    @Test("a task that is cancelled gets an error, and not the end of the entries, also when all parts have come")
    func cancelled() async throws {
        let store = try Store(count: 100)
        let log = EventLog()
        try await store.with {
            log.attach(to: &$0)
        } _: { client in
            let task = Task {
                var count = 0
                for try await _ in client.entries(in: .all, pageSize: 10) {
                    count += 1
                    // The first entry of the stream.
                    if count < 11 { continue }
                    try await eventually("all parts have come") { log.contains(Self.isEnd) }
                    withUnsafeCurrentTask { $0?.cancel() }
                }
                return count
            }
            await expectError(.cancelled) { try await task.value }
        }
    }

    @Test("a mirror that is closed while it lists its entries again takes none away")
    func closedMirror() async throws {
        let store = try Store(count: 1100)
        let listing = Lock<Task<EtcdError, Never>?>(nil)
        try await store.with {
            $0.onEvent = { event in
                if Self.isEnd(event) { listing.withLock { $0 }?.cancel() }
            }
        } _: { client in
            let follower = try MirrorFollower(client, .prefix("k"), MirrorOptions())
            var header = ResponseHeader()
            header.revision = 41
            follower.feed.replace(with: SortedEntries(store.entries), at: header, asOf: .now)
            let task = Task { await follower.run() }
            listing.withLock { $0 = task }
            #expect(await task.value.code == .cancelled)
            #expect(store.streams.count == 1 && follower.feed.read(\.view.count) == 1100)
        }
    }

    @Test("ranges of etcd are read by streams from 3.7 on, and by pages before")
    func live() async throws {
        try await withPrivateEtcd { client, _ in
            for number in 0..<30 { try await client.put(Key("k\(100 + number)"), "v") }
            let endpoint = try #require(await client.endpoints.first)
            let hasStreams = try await client.serverVersion >= ServerVersion(3, 7)
            let methods = client.core.channel.missingMethods
            #expect(methods.endpoints(without: Wire.rangeStream.path).isEmpty)
            #expect(try await collect(client.entries(in: .all, pageSize: 4)).count == 30)
            #expect(methods.endpoints(without: Wire.rangeStream.path) == (hasStreams ? [] : [endpoint]))
        }
    }
}

extension Wire.RangeRequest {
    fileprivate var range: KeyRange {
        rangeEnd == [0] ? .from(Key(bytes: key)) : .between(Key(bytes: key), Key(bytes: rangeEnd))
    }
}
