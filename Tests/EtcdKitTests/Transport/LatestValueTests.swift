// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("LatestValue", .unit, .timeLimit(.minutes(2)))
struct LatestValueTests {
    @Test("a listener gets the newest value, however many send at the same time")
    func concurrentSenders() async throws {
        for round in 0..<20_000 {
            let news = LatestValue<Int>()
            let listener = news.listen()
            async let first: Void = Self.send(3, to: news)
            async let second: Void = Self.send(3, to: news)
            _ = await (first, second)
            var values = listener.makeAsyncIterator()
            let last = await values.next()
            if last == news.newest { continue }
            Issue.record("round \(round): \(last as Any) instead of \(news.newest as Any)")
            return
        }
    }

    private static func send(_ count: Int, to news: LatestValue<Int>) async {
        for _ in 0..<count { news.send(.random(in: 0...Int.max)) }
    }

    @Test("a listener that comes while values are sent gets the newest one")
    func concurrentListener() async throws {
        for round in 0..<20_000 {
            let news = LatestValue<Int>()
            news.send(0)
            async let sender: Void = Self.send(2, to: news)
            let listener = news.listen()
            await sender
            var values = listener.makeAsyncIterator()
            let last = await values.next()
            if last == news.newest { continue }
            Issue.record("round \(round): \(last as Any) instead of \(news.newest as Any)")
            return
        }
    }

    @Test("a listener ends after the last value, also one that comes later, or is cancelled")
    func ending() async {
        let news = LatestValue<Int>()
        let early = news.listen()
        news.send(1)
        news.send(2, isLast: true)
        news.send(3)
        for listener in [early, news.listen()] {
            var values: [Int] = []
            for await value in listener { values.append(value) }
            #expect(values == [2])
        }
        let quiet = LatestValue<Int>()
        let waiting = Task { for await _ in quiet.listen() {} }
        waiting.cancel()
        await waiting.value
    }
}
