// SPDX-License-Identifier: Apache-2.0

/// One watch: its position, its place at the server, and the mailbox of its consumer.
@EventLoop
final class Watcher: LoopTask {
    let range: KeyRange
    let options: WatchOptions
    var state: WatchState
    /// The stream that the watch is on, if it is on one.
    private(set) var stream: WatchStream?
    /// The number of the watch on its stream; nil while it is on none.
    ///
    /// A number is never used twice.
    private(set) var watchID: Int64?
    /// The consumer is behind, so the watch has a stream of its own, whose window slows the server down.
    var hasOwnStream = false
    /// The group of watches that share streams with no others, since one of them gets answers that are too large.
    var isolation: Int?
    /// Where the watch is, or was last.
    private(set) var endpoint: Endpoint?
    let started = ContinuousClock.now
    /// When the watch began to wait for a stream.
    var attempt = ContinuousClock.now
    var admission = WatchAdmission()
    /// How many streams of the watch in a row were given up in vain.
    var fruitlessMoves = 0
    private(set) var isFinished = false
    /// The watch had begun and was then cut off.
    private var isInterrupted = false
    private var isConfirmed = false
    /// The consumer will be woken in this turn of the loop.
    private var isWaking = false

    nonisolated let mailbox = WatchMailbox()
    /// Completed by the first confirmation, or the end, if a task waits for it.
    private var confirmation: Completion<Result<Void, EtcdError>>?

    init(_ range: KeyRange, from revision: Revision?, options: WatchOptions, limit: Int) {
        self.range = range
        self.options = options
        state = WatchState(from: revision, limit: limit)
    }

    // MARK: The consumer's side

    /// Completes `confirmation` once the server has confirmed the watch, or the watch has ended.
    func whenConfirmed(_ confirmation: Completion<Result<Void, EtcdError>>) {
        if isConfirmed {
            confirmation.complete(.success(()))
        } else if let ending = mailbox.ending {
            confirmation.complete(.failure(ending))
        } else {
            self.confirmation = confirmation
        }
    }

    // MARK: The hub's side

    /// The watch is asked for on a stream.
    func joined(_ stream: WatchStream, id: Int64) {
        self.stream = stream
        watchID = id
        endpoint = stream.endpoint
    }

    /// The watch is removed from its stream; on its return it gets a new number.
    func left() {
        stream = nil
        watchID = nil
    }

    /// The server has confirmed the watch.
    ///
    /// - Returns: Whether the watch goes on after an interruption.
    func confirmed() -> Bool {
        defer { isInterrupted = false }
        admission = WatchAdmission()
        isConfirmed = true
        confirmation?.complete(.success(()))
        confirmation = nil
        return isInterrupted
    }

    /// Buffers events for the consumer, which came in an answer of `byteCount` bytes.
    ///
    /// - Returns: Whether the consumer has left more than the options allow.
    func offer(byteCount: Int, _ events: (inout EncodedEvents) -> Void) -> Bool {
        wakeConsumer()
        return mailbox.add(events, credit(byteCount)) > options.bufferSize
    }

    /// Buffers an item for the consumer, which came in an answer of `byteCount` bytes.
    func offer(_ item: WatchMailbox.Item, byteCount: Int) {
        wakeConsumer()
        mailbox.add(item, credit(byteCount))
    }

    /// Holds back credit for so many bytes until the consumer has taken what there is.
    ///
    /// - Returns: False if the watch has no stream of its own, or there is nothing to take.
    func withhold(_ byteCount: Int) -> Bool { credit(byteCount).map(mailbox.withhold) ?? false }

    private func credit(_ byteCount: Int) -> WatchMailbox.Credit? {
        guard hasOwnStream, byteCount > 0, let watchID else { return nil }
        return WatchMailbox.Credit(watchID: watchID, byteCount: byteCount)
    }

    /// The consumer has taken what came in these bytes.
    func consumed(_ credit: WatchMailbox.Credit) {
        if credit.watchID == watchID { stream?.consume(credit.byteCount) }
    }

    /// Wakes the consumer, once everything that has arrived in this turn is in the mailbox.
    private func wakeConsumer() {
        if isWaking { return }
        isWaking = true
        EventLoop.wake(self)
    }

    func run() {
        isWaking = false
        mailbox.wake()
    }

    /// The stream is gone, and with it its window.
    func disconnected() {
        left()
        hasOwnStream = false
        isolation = nil
        mailbox.forgetCredit()
        state.disconnected()
    }

    /// The watch has lost its stream for a reason that is not its own.
    func interrupted() {
        isInterrupted = isConfirmed
        disconnected()
    }

    /// Ends the watch; what is buffered is still delivered.
    func end(_ error: EtcdError) {
        if isFinished { return }
        isFinished = true
        confirmation?.complete(.failure(error))
        confirmation = nil
        mailbox.end(error)
    }
}
