// SPDX-License-Identifier: Apache-2.0

/// Detects that a stream of watches is dead although its connection stands: a value without clock and I/O.
///
/// After a silence, the client sends a progress request, and gives the stream up if there is no answer. Not every
/// server answers every time (etcd does so when all watches of the stream are up to date, a proxy perhaps never), so
/// the patience doubles with each stream that was given up in vain.
struct WatchProbe {
    enum Step: Equatable {
        case wait, ask, giveUp
    }

    /// How many streams in a row were given up without hearing more than confirmations from the next.
    private(set) var fruitlessMoves = 0
    private let interval: Duration
    private let timeout: Duration
    private var heard: ContinuousClock.Instant
    private var asked: ContinuousClock.Instant?

    /// A stream that is opened at `now`, with a watch to be confirmed.
    init(interval: Duration, timeout: Duration, at now: ContinuousClock.Instant) {
        self.interval = interval
        self.timeout = timeout
        heard = now
        asked = now
    }

    /// When there is something to do, unless something comes before.
    var due: ContinuousClock.Instant {
        let patience = 1 << min(fruitlessMoves, 6)
        return asked.map { $0 + timeout * patience } ?? heard + interval * patience
    }

    mutating func check(at now: ContinuousClock.Instant) -> Step {
        if now < due { return .wait }
        if asked != nil { return .giveUp }
        asked = now
        return .ask
    }

    /// The server got a request that it must answer.
    mutating func ask(at now: ContinuousClock.Instant) {
        asked = asked ?? now
    }

    /// Something has arrived, or was held back by the client.
    ///
    /// A confirmation shows that the stream lives, but not that progress requests are answered.
    mutating func hear(at now: ContinuousClock.Instant, isConfirmation: Bool = false) {
        heard = now
        asked = nil
        if !isConfirmation { fruitlessMoves = 0 }
    }

    /// Takes over a watch from a stream that was given up.
    mutating func inherit(_ moves: Int) {
        fruitlessMoves = max(fruitlessMoves, moves)
    }
}
