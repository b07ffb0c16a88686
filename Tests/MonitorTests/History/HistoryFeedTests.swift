// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("Sinks of the history", .cluster, .timeLimit(.minutes(1)))
struct HistoryFeedTests {
    private static let quick = Backoff(initial: .milliseconds(1), maximum: .milliseconds(1))

    /// Runs a feed beside `body`, and ends it.
    private func run(_ feed: HistoryFeed, _ body: () async throws -> Void) async rethrows {
        let work = Task { await feed.run() }
        defer { work.cancel() }
        try await body()
        feed.end()
        await work.value
    }

    @Test("a sink gets each snapshot, in order")
    func order() async {
        let sink = TestSink()
        let feed = HistoryFeed(sink, capacity: 1000)
        await run(feed) {
            for poll in 1...300 { feed.add(.sample(poll)) }
        }
        #expect(sink.polls == Array(1...300))
        #expect(sink.batches.allSatisfy { $0.count <= HistoryFeed.maximumBatch })
        #expect(feed.failure == nil)
    }

    @Test("snapshots that a sink refuses are offered again, and none is lost")
    func retry() async throws {
        let sink = TestSink()
        let feed = HistoryFeed(sink, capacity: 1000, backoff: Self.quick)
        try await run(feed) {
            sink.refuse("the disk is full")
            feed.add(.sample(1))
            #expect(await eventually { feed.failure != nil })
            let failure = try #require(feed.failure)
            #expect(failure.finding.id.description == "monitor-history-failed:test")
            #expect(failure.finding.summary == "The history cannot be written to test: the disk is full")
            sink.refuse(nil)
            try await Task.sleep(for: .milliseconds(5))
            feed.add(.sample(2))
            #expect(await eventually { feed.failure == nil })
        }
        #expect(sink.polls == [1, 2])
    }

    @Test("after a failure, the sink is not tried again with each snapshot")
    func backoff() async {
        let sink = TestSink()
        let feed = HistoryFeed(sink, capacity: 1000, backoff: Backoff(initial: .seconds(60), maximum: .seconds(60)))
        await run(feed) {
            sink.refuse("no")
            feed.add(.sample(1))
            #expect(await eventually { sink.attempts == 1 })
            for poll in 2...100 { feed.add(.sample(poll)) }
            try? await Task.sleep(for: .milliseconds(50))
            #expect(sink.attempts == 1)
            sink.refuse(nil)
        }
        // The end is the last attempt.
        #expect(sink.polls == Array(1...100))
    }

    @Test("snapshots are gathered for the sink's flush interval, and written at the end at the latest")
    func flush() async {
        let sink = TestSink(flushInterval: .seconds(600))
        let feed = HistoryFeed(sink, capacity: 1000)
        await run(feed) {
            for poll in 1...10 { feed.add(.sample(poll)) }
            try? await Task.sleep(for: .milliseconds(50))
            #expect(sink.attempts == 0)
        }
        #expect(sink.batches.map(\.count) == [10])
    }

    @Test(
        "a full buffer drops the oldest snapshots and counts them; a large enough one drops none",
        arguments: [100, 500]
    )
    func bound(capacity: Int) async throws {
        let sink = TestSink()
        let feed = HistoryFeed(sink, capacity: capacity, backoff: Self.quick)
        try await run(feed) {
            sink.refuse("no")
            for poll in 1...400 {
                feed.add(.sample(poll))
                if poll == 1 { #expect(await eventually { sink.attempts > 0 }) }
            }
            let dropped = max(0, 400 - capacity)
            // A batch that is being written counts as neither.
            #expect(
                await eventually {
                    let failure = feed.failure
                    return failure?.waiting == min(capacity, 400) && failure?.dropped == dropped
                }
            )
            let finding = try #require(feed.failure).finding
            #expect(finding.evidence["dropped_polls"] == Double(dropped))
            #expect(finding.summary.hasSuffix(dropped == 0 ? ": no" : "; \(dropped) polls were dropped"))
            sink.refuse(nil)
        }
        #expect(sink.polls == Array((max(0, 400 - capacity) + 1)...400))
        #expect(feed.failure == nil)
    }

    @Test("a sink that hangs delays neither the polls nor another sink, and the shutdown is bounded")
    func hanging() async throws {
        let (stuck, other) = (TestSink(name: "stuck"), TestSink(name: "other"))
        stuck.hang()
        let recorder = HistoryRecorder([stuck, other], capacity: 50)
        for poll in 1...200 {
            recorder.add(.sample(poll))
            if poll % 50 == 0 { #expect(await eventually { other.polls.count == poll }) }
        }
        #expect(stuck.attempts == 1)
        let failure = try #require(recorder.failures.first)
        #expect(recorder.failures.count == 1)
        #expect(failure.sink == "stuck")
        #expect(failure.reason == "it takes too long")
        #expect(failure.waiting == 50)
        // The first write took one snapshot away, or a few.
        #expect((90...149).contains(failure.dropped))
        let start = ContinuousClock.now
        await recorder.end(within: .milliseconds(200))
        #expect(.now - start < .seconds(20))
        #expect(other.polls == Array(1...200))
    }

    @Test("no more snapshots are held than the buffer's capacity, however long a sink fails")
    func buffer() throws {
        for capacity in [1, 100, 20_000] {
            let feed = HistoryFeed(TestSink(), capacity: capacity)
            feed.note("it fails")
            for poll in 1...20_000 { feed.add(.sample(poll)) }
            let failure = try #require(feed.failure)
            #expect(failure.waiting == capacity && failure.dropped == 20_000 - capacity)
        }
    }

    @Test("a monitor reports a sink that fails, until the sink works again")
    func monitor() async throws {
        let (sink, other) = (TestSink(), TestSink(name: "other"))
        sink.refuse("no such table")
        try await withFiles([:]) { folder in
            let file = HistoryFile(path: "\(folder)/missing/history.jsonl")
            try await withEtcdCluster { cluster in
                try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { client in
                    var options = ClusterMonitor.Options()
                    options.interval = .milliseconds(100)
                    options.historyFile = file.path
                    options.historySinks = [sink, other]
                    let monitor = try ClusterMonitor(client, options)
                    let polling = Task { try await monitor.run() }
                    func subjects() -> Set<String> {
                        let found = monitor.snapshot.findings.filter { $0.code == .monitorHistoryFailed }
                        return Set(found.map(\.id.subject))
                    }
                    #expect(await eventually { subjects() == ["test", "file"] })
                    let summaries = monitor.snapshot.findings.map(\.summary)
                    #expect(summaries.contains("The history cannot be written to test: no such table"))
                    #expect(
                        summaries.contains {
                            $0.hasPrefix("The history cannot be written to file: \(file.path): No such")
                        }
                    )
                    sink.refuse(nil)
                    try FileManager.default.createDirectory(
                        atPath: "\(folder)/missing",
                        withIntermediateDirectories: true
                    )
                    #expect(await eventually { monitor.snapshot.poll > 0 && subjects().isEmpty })
                    polling.cancel()
                    try await polling.value
                    let last = monitor.snapshot.poll
                    for sink in [sink, other] { #expect(sink.polls == Array(1...last)) }
                    let lines = try String(contentsOfFile: file.path, encoding: .utf8).split(separator: "\n")
                    #expect(lines.count == last)
                }
            }
        }
    }
}

/// A sink in memory, which can refuse and hang.
final class TestSink: HistorySink {
    private struct State {
        var batches: [[Int]] = []
        var attempts = 0
        var refusal: String?
        var hangs = false
    }

    let name: String
    let flushInterval: Duration
    private let state = Lock(State())

    init(name: String = "test", flushInterval: Duration = .zero) {
        self.name = name
        self.flushInterval = flushInterval
    }

    /// The numbers of the polls in each batch that was taken.
    var batches: [[Int]] { state.withLock { $0.batches } }
    /// The numbers of all polls that were taken.
    var polls: [Int] { batches.flatMap(\.self) }
    /// How often it was asked to write.
    var attempts: Int { state.withLock { $0.attempts } }

    func refuse(_ reason: String?) { state.withLock { $0.refusal = reason } }
    func hang() { state.withLock { $0.hangs = true } }

    func write(_ snapshots: [MonitorSnapshot]) async throws(HistorySinkError) {
        let (refusal, hangs) = state.withLock { state in
            state.attempts += 1
            return (state.refusal, state.hangs)
        }
        if hangs {
            try? await Task.sleep(for: .seconds(3600))
            throw HistorySinkError("it was cancelled")
        }
        if let refusal { throw HistorySinkError(refusal) }
        state.withLock { $0.batches.append(snapshots.map(\.poll)) }
    }
}
