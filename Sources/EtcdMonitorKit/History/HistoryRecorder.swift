// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Delivers a monitor's snapshots to its sinks, each at its own speed.
struct HistoryRecorder: Sendable {
    private let feeds: [HistoryFeed]
    private let work: Task<Void, Never>

    /// Starts to write.
    ///
    /// Call ``end(within:)`` afterwards.
    ///
    /// The work is not a child of the monitor's task, because it must write the rest when that task is cancelled.
    init(_ sinks: [any HistorySink], capacity: Int) {
        let feeds = sinks.map { HistoryFeed($0, capacity: capacity) }
        self.feeds = feeds
        work = Task {
            await withDiscardingTaskGroup { group in
                for feed in feeds { group.addTask { await feed.run() } }
            }
        }
    }

    /// The sinks that are behind.
    var failures: [HistoryFailure] { feeds.compactMap(\.failure) }

    /// Adds a snapshot without waiting.
    func add(_ snapshot: MonitorSnapshot) {
        for feed in feeds { feed.add(snapshot) }
    }

    /// Records that the first sink could not be read.
    func noteFirst(_ error: String) { feeds.first?.note(error) }

    /// Writes the rest, and gives up after a while.
    func end(within grace: Duration) async {
        for feed in feeds { feed.end() }
        let timer = await EventLoop.schedule(at: .after(grace)) { [work] in work.cancel() }
        await work.value
        await EventLoop.cancel(timer)
    }
}
