// SPDX-License-Identifier: Apache-2.0

/// The answers that wait for a consumer.
///
/// The loop puts them in, and the consumer takes all of them at once on its own thread, without a way to the loop.
final class WatchMailbox: Sendable {
    /// News, in order: first the chunks, then the events.
    struct Portion: Sendable {
        var chunks: [Watcher.Chunk] = []
        var events = EncodedEvents()

        var isEmpty: Bool { chunks.isEmpty && events.isEmpty }
    }

    /// Bytes that the server waits for on the watch's own stream, until the consumer has taken what came in them.
    struct Credit {
        /// The number of the watch on that stream.
        var watchID: Int64 = 0
        var byteCount = 0
    }

    /// A task that waits; resumed once, since it is taken out of the box, under its lock, for that.
    private typealias Waiter = UnsafeContinuation<Void, Never>

    private struct Content {
        var portion = Portion()
        /// How much memory the portion takes up, about, in bytes.
        var cost = 0
        var credit = Credit()
        var ending: EtcdError?
        var waiter: Waiter?
        /// More tasks that wait, where several iterate over one watch.
        var otherWaiters: [Waiter] = []

        mutating func withhold(_ more: Credit) {
            credit = Credit(watchID: more.watchID, byteCount: credit.byteCount + more.byteCount)
        }

        var isQuiet: Bool { portion.isEmpty && ending == nil }

        mutating func takeWaiters() -> (Waiter?, [Waiter]) {
            defer {
                waiter = nil
                otherWaiters = []
            }
            return (waiter, otherWaiters)
        }
    }

    private let content = Lock(Content())

    // MARK: The consumer's side

    /// Takes all that has come since the last call; nil if there is nothing.
    ///
    /// `giveCredit` is called with what the server may go on with.
    func take(_ giveCredit: (Credit) -> Void) throws(EtcdError) -> Portion? {
        let (portion, credit, ending) = content.withLock { content in
            defer {
                content.portion = Portion()
                content.cost = 0
                content.credit.byteCount = 0
            }
            return (content.portion, content.credit, content.ending)
        }
        if credit.byteCount > 0 { giveCredit(credit) }
        if !portion.isEmpty { return portion }
        if let ending { throw ending }
        return nil
    }

    /// Waits until there is something to take, or the task is cancelled; may come back early.
    func wait() async {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { wait($0) }
        } onCancel: {
            wake()
        }
    }

    private func wait(_ waiter: Waiter) {
        let mustWait = content.withLock { content in
            // A task is marked as cancelled before its handler wakes those who wait.
            guard content.isQuiet, !Task.isCancelled else { return false }
            if content.waiter == nil { content.waiter = waiter } else { content.otherWaiters.append(waiter) }
            return true
        }
        if !mustWait { waiter.resume() }
    }

    /// Lets all who wait look again.
    func wake() {
        let (first, others) = content.withLock { $0.takeWaiters() }
        first?.resume()
        for waiter in others { waiter.resume() }
    }

    /// Why nothing more will come.
    var ending: EtcdError? { content.withLock { $0.ending } }

    // MARK: The loop's side

    /// There is something that the consumer has not taken.
    var hasUnread: Bool { content.withLock { !$0.portion.isEmpty } }

    /// Adds events, for which the server waits if there is credit.
    ///
    /// - Returns: How much memory all takes up that is unread, in bytes.
    func add(_ events: (inout EncodedEvents) -> Void, _ credit: Credit?) -> Int {
        content.withLock { content in
            let before = content.portion.events.byteCount
            events(&content.portion.events)
            content.cost += content.portion.events.byteCount - before
            if let credit { content.withhold(credit) }
            return content.cost
        }
    }

    /// Adds a chunk that is no event.
    func add(_ chunk: Watcher.Chunk, _ credit: Credit?) {
        content.withLock { content in
            if !content.portion.events.isEmpty {
                content.portion.chunks.append(.events(content.portion.events))
                content.portion.events = EncodedEvents()
            } else if case .progress = chunk, case .progress? = content.portion.chunks.last {
                content.portion.chunks.removeLast()
            }
            content.portion.chunks.append(chunk)
            if let credit { content.withhold(credit) }
        }
    }

    /// Has the server wait with so many bytes until the consumer has taken what there is, unless there is nothing.
    func withhold(_ credit: Credit) -> Bool {
        content.withLock { content in
            if content.portion.isEmpty { return false }
            content.withhold(credit)
            return true
        }
    }

    /// No server waits any more.
    func forgetCredit() { content.withLock { $0.credit = Credit() } }

    /// Nothing more will come; only the first reason counts.
    func end(_ error: EtcdError) {
        content.withLock { $0.ending = $0.ending ?? error }
    }
}
