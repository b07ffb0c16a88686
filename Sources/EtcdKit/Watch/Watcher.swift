// SPDX-License-Identifier: Apache-2.0

/// One watch: its position, and what it holds for its consumer.
@EventLoop
final class Watcher {
    /// Changes, or news of progress, as they go to the consumer.
    enum Chunk: Sendable {
        case events([WatchEvent])
        case progress(Revision)
    }

    let range: KeyRange
    let options: WatchOptions
    var state: WatchState
    /// The number of the watch on its stream; nil while it is on none.
    ///
    /// A number is never used twice.
    var watchID: Int64?
    /// The server watch was ended because the consumer is behind.
    private(set) var isParked = false
    private(set) var isFinished = false

    private let hub: WatchHub
    private var buffer: [Chunk] = []
    private var bufferCost = 0
    private var ending: EtcdError?
    private let created = Completion<Result<Void, EtcdError>>()
    private var waiting: Completion<Void>?

    init(_ range: KeyRange, from revision: Revision?, options: WatchOptions, hub: WatchHub) {
        self.range = range
        self.options = options
        self.hub = hub
        state = WatchState(from: revision)
    }

    // MARK: The consumer's side

    /// All that has come since the last call, waiting for something if there is nothing.
    ///
    /// One task may wait.
    func next() async -> Result<[Chunk], EtcdError> {
        while true {
            if Task.isCancelled { return .failure(EtcdError(.cancelled, "the task was cancelled")) }
            if !buffer.isEmpty {
                defer {
                    buffer = []
                    bufferCost = 0
                    if isParked {
                        isParked = false
                        hub.attach(self)
                    }
                }
                return .success(buffer)
            }
            if let ending { return .failure(ending) }
            let waiting = Completion<Void>()
            self.waiting = waiting
            await waiting.wait { waiting.complete(()) }
        }
    }

    /// Waits until the server has confirmed the watch.
    func waitUntilCreated(deadline: ContinuousClock.Instant) async throws(EtcdError) {
        let created = created
        let timer = EventLoop.schedule(at: deadline) { [hub] in created.complete(.failure(hub.unavailability)) }
        let result = await created.wait {
            created.complete(.failure(EtcdError(.cancelled, "the task was cancelled")))
        }
        EventLoop.cancel(timer)
        try result.get()
    }

    // MARK: The hub's side

    func confirmed() { created.complete(.success(())) }

    /// Buffers a chunk for the consumer.
    ///
    /// - Returns: Whether the buffer is full now, so that the watch is parked: the hub must end it at the server.
    func offer(_ chunk: Chunk) -> Bool {
        if case .events(let events) = chunk { bufferCost += events.reduce(0) { $0 + $1.cost } }
        if case .progress = chunk, case .progress? = buffer.last { buffer.removeLast() }
        buffer.append(chunk)
        waiting?.complete(())
        waiting = nil
        isParked = bufferCost > options.bufferSize
        return isParked
    }

    /// Ends the watch; what is buffered is still delivered.
    func end(_ error: EtcdError) {
        isFinished = true
        if ending == nil { ending = error }
        created.complete(.failure(error))
        waiting?.complete(())
        waiting = nil
    }
}
