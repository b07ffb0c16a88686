// SPDX-License-Identifier: Apache-2.0

/// The answers that wait for the consumer of a watch.
///
/// The loop adds them. The consumer takes all of them at once, on its own thread.
final class WatchMailbox: Sendable {
    /// A message of the server for a watch.
    enum Item: Sendable {
        case events(EncodedEvents)
        case progress(Revision)
        /// The watch is confirmed at this revision, by a store that may not be the one of its first revision.
        case interruption(Revision)
    }

    /// Items in order: first the list, then the events.
    struct Portion: Sendable {
        var items: [Item] = []
        var events = EncodedEvents()

        var isEmpty: Bool { items.isEmpty && events.isEmpty }
    }

    /// Bytes that the server waits for on the watch's own stream, until the consumer has taken what came in them.
    struct Credit {
        /// The number of the watch on that stream.
        var watchID: Int64 = 0
        var byteCount = 0
    }

    private struct Content {
        var portion = Portion()
        /// How much memory the portion takes up, about, in bytes.
        var cost = 0
        var credit = Credit()
        var ending: EtcdError?

        mutating func withhold(_ more: Credit?) {
            guard let more else { return }
            credit = Credit(watchID: more.watchID, byteCount: credit.byteCount + more.byteCount)
        }
    }

    private let content = Lock(Content())
    /// Wakes the consumer, since the mailbox may be ready.
    let change = AsyncCondition()

    // MARK: The consumer's side

    /// Takes everything that has arrived since the last call; nil if there is nothing.
    ///
    /// `giveCredit` is called with the number of bytes that the server may send.
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

    /// There is something to take, or nothing more will come.
    var isReady: Bool { content.withLock { !$0.portion.isEmpty || $0.ending != nil } }

    /// Wakes all tasks that wait.
    func wake() { change.wakeAll() }

    /// Why nothing more will come.
    var ending: EtcdError? { content.withLock { $0.ending } }

    // MARK: The loop's side

    /// There is something that the consumer has not taken.
    var hasUnread: Bool { content.withLock { !$0.portion.isEmpty } }

    /// Adds events, for which the server waits if there is credit.
    ///
    /// - Returns: How much memory all unread events take up, in bytes.
    func add(_ events: (inout EncodedEvents) -> Void, _ credit: Credit?) -> Int {
        content.withLock { content in
            let before = content.portion.events.byteCount
            events(&content.portion.events)
            content.cost += content.portion.events.byteCount - before
            content.withhold(credit)
            return content.cost
        }
    }

    /// Adds an item that is no event.
    func add(_ item: Item, _ credit: Credit?) {
        content.withLock { content in
            if !content.portion.events.isEmpty {
                content.portion.items.append(.events(content.portion.events))
                content.portion.events = EncodedEvents()
            } else if case .progress = item, case .progress? = content.portion.items.last {
                content.portion.items.removeLast()
            }
            content.portion.items.append(item)
            content.withhold(credit)
        }
    }

    /// Holds back credit for so many bytes until the consumer has taken the items, unless there are none.
    func withhold(_ credit: Credit) -> Bool {
        content.withLock { content in
            if content.portion.isEmpty { return false }
            content.withhold(credit)
            return true
        }
    }

    /// Drops the credit of a stream that is gone.
    func forgetCredit() { content.withLock { $0.credit = Credit() } }

    /// Nothing more will come; only the first reason counts.
    func end(_ error: EtcdError) {
        content.withLock { $0.ending = $0.ending ?? error }
        wake()
    }
}
