// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Hands a monitor's snapshots to its sinks, each at its own pace.
struct HistoryRecorder: Sendable {
    private let feeds: [HistoryFeed]
    private let work: Task<Void, Never>

    /// Starts to write; ``end(within:)`` has to be called.
    ///
    /// The work is no child of the monitor's task, whose cancellation is the moment to write what is left.
    init(_ sinks: [any HistorySink], capacity: Int) {
        let feeds = sinks.map { HistoryFeed($0, capacity: capacity) }
        self.feeds = feeds
        work = Task {
            await withDiscardingTaskGroup { group in
                for feed in feeds { group.addTask { await feed.run() } }
            }
        }
    }

    /// The sinks that do not have what they should.
    var failures: [HistoryFailure] { feeds.compactMap(\.failure) }

    /// Adds a snapshot; never waits.
    func add(_ snapshot: MonitorSnapshot) {
        for feed in feeds { feed.add(snapshot) }
    }

    /// Notes that the first sink could not be read.
    func noteFirst(_ error: String) { feeds.first?.note(error) }

    /// Writes what is left, and gives up after a while.
    func end(within grace: Duration) async {
        for feed in feeds { feed.end() }
        let timer = await EventLoop.schedule(at: .after(grace)) { [work] in work.cancel() }
        await work.value
        await EventLoop.cancel(timer)
    }
}
