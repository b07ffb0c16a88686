// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit, .timeLimit(.minutes(1))) struct EventTests {
    /// The frames of a request for events.
    private func frames(_ cluster: FakeCluster, heartbeat: Duration = .seconds(600)) async throws -> AsyncStream<
        [UInt8]
    > {
        var api = MonitorAPI.over(cluster)
        api.heartbeat = heartbeat
        guard case .stream(let frames) = await api.respond(to: HTTPRequest("GET", "/api/v1/events")).body else {
            throw Problem(.internalError, "no stream")
        }
        return frames
    }

    private func id(_ frame: [UInt8]) -> Int? {
        String(decoding: frame, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("id: ") }
            .flatMap { Int($0.dropFirst(4)) }
    }

    @Test func `The newest snapshot comes at once, and then each that follows`() async throws {
        let (polls, feed) = AsyncStream.makeStream(of: MonitorSnapshot.self)
        let frames = try await frames(FakeCluster(snapshots: polls))
        var iterator = frames.makeAsyncIterator()
        let first = String(decoding: try #require(await iterator.next()), as: UTF8.self)
        let lines = first.components(separatedBy: "\n")
        #expect(lines.count == 6 && lines.suffix(2) == ["", ""])
        #expect(lines.prefix(3) == ["retry: 3000", "id: 7", "event: snapshot"])
        let json = String(decoding: try JSONBody.bytes(of: MonitorSnapshot.sample()), as: UTF8.self)
        #expect(lines[3] == "data: " + json)
        // A snapshot that was sent already is not sent again.
        feed.yield(.sample(poll: 7))
        feed.yield(.sample(poll: 8))
        #expect(id(try #require(await iterator.next())) == 8)
        feed.yield(.sample(poll: 9))
        #expect(id(try #require(await iterator.next())) == 9)
        feed.finish()
        #expect(await iterator.next() == nil)
    }

    @Test func `A slow client gets the newest snapshot only`() async throws {
        let (allTaken, end) = AsyncStream.makeStream(of: Never.self)
        let next = Lock(8)
        let polls = AsyncStream<MonitorSnapshot>(unfolding: {
            let poll = next.withLock { next in
                defer { next += 1 }
                return next
            }
            if poll > 1000 {
                // All before it were handed on.
                end.finish()
                return nil
            }
            return .sample(poll: poll)
        })
        let frames = try await frames(FakeCluster(snapshots: polls))
        for await _ in allTaken {}
        var ids: [Int?] = []
        for await frame in frames { ids.append(id(frame)) }
        #expect(ids == [1000])
    }

    @Test func `A stream without new snapshots sends heartbeats, which displace no snapshot`() async throws {
        let (polls, feed) = AsyncStream.makeStream(of: MonitorSnapshot.self)
        let frames = try await frames(FakeCluster(snapshots: polls), heartbeat: .milliseconds(1))
        var iterator = frames.makeAsyncIterator()
        // Heartbeats came meanwhile.
        try await Task.sleep(for: .milliseconds(20))
        #expect(id(try #require(await iterator.next())) == 7)
        #expect(await iterator.next() == Array(": heartbeat\n\n".utf8))
        feed.yield(.sample(poll: 8))
        var frame = try #require(await iterator.next())
        while frame == Array(": heartbeat\n\n".utf8) { frame = try #require(await iterator.next()) }
        #expect(id(frame) == 8)
    }

    @Test func `A client that goes away ends the work for it`() async throws {
        let (polls, feed) = AsyncStream.makeStream(of: MonitorSnapshot.self)
        let (gone, end) = AsyncStream.makeStream(of: Never.self)
        feed.onTermination = { _ in end.finish() }
        func look() async throws {
            var iterator = try await frames(FakeCluster(snapshots: polls)).makeAsyncIterator()
            _ = await iterator.next()
        }
        try await look()
        for await _ in gone {}
    }
}
