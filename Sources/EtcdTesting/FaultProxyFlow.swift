// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// One direction of a ``FaultProxy``, which all connections share: its faults, and what has passed.
@EventLoop
final class FaultProxyLane {
    enum Passage {
        /// Bytes pass.
        case open
        /// Bytes wait.
        case stalled
        /// Bytes vanish.
        case lost
    }

    var passage = Passage.open
    var delay = Duration.zero
    /// How many bytes pass before all connections are cut; nil for no cut.
    var bytesBeforeCut: Int?
    /// How many bytes pass in a second; nil for any number.
    var bytesPerSecond: Int?
    /// When the next bytes may pass.
    private(set) var freeAt = ContinuousClock.now
    private(set) var bytesPassed = 0

    /// How many bytes may pass at once.
    var allowance: Int {
        // A hundredth of a second's worth, so that a narrow lane is not wide in bursts.
        min(bytesBeforeCut ?? .max, bytesPerSecond.map { max($0 / 100, 1) } ?? .max)
    }

    func pass(_ count: Int) {
        bytesPassed += count
        bytesBeforeCut? -= count
        if let bytesPerSecond { freeAt = max(freeAt, .now) + .seconds(Double(count) / Double(bytesPerSecond)) }
    }
}

/// Both directions.
@EventLoop
final class FaultProxyLanes {
    let toServer = FaultProxyLane()
    let toClient = FaultProxyLane()
}

/// One direction of a ``FaultProxyConnection``.
///
/// It reads from one peer, holds the bytes for as long as the faults ask, and writes them to the other. The end of the
/// stream travels behind the bytes.
@EventLoop
final class FaultProxyFlow {
    private struct Chunk {
        let arrival: ContinuousClock.Instant
        var bytes: ArraySlice<UInt8>
    }

    /// Bytes held before the sender has to wait.
    private static let limit = 256 << 10

    /// Called when bytes that were held have become due.
    var onDue: (@EventLoop () -> Void)?
    /// How the stream has ended for the destination, or would have, were it not lost.
    private(set) var ending: FaultProxyEnding?
    /// The destination takes no more bytes.
    private(set) var hasLostDestination = false
    /// The bytes before a cut have passed.
    private(set) var isCut = false
    /// More bytes should be read.
    var wantsToRead: Bool { sourceEnding == nil && lane.passage != .stalled && heldBytes < Self.limit }
    /// The destination must become writable for the rest.
    private(set) var wantsToWrite = false

    private let source: FaultProxyPeer
    private let destination: FaultProxyPeer
    private let lane: FaultProxyLane
    private var chunks: [Chunk] = []
    private var heldBytes = 0
    private var sourceEnding: (kind: FaultProxyEnding, arrival: ContinuousClock.Instant)?
    private var hasBrokenSource = false
    /// A byte was lost, so all that follow are.
    private var hasHole = false
    private var timer: EventLoop.Timer?

    init(from source: FaultProxyPeer, to destination: FaultProxyPeer, lane: FaultProxyLane) {
        self.source = source
        self.destination = destination
        self.lane = lane
    }

    func pump() {
        cancelTimer()
        wantsToWrite = false
        if isCut || lane.passage == .stalled || ending != nil { return }
        receive()
        if lane.passage == .lost && (heldBytes > 0 || sourceEnding != nil) { hasHole = true }
        if !hasHole { deliver() }
        if hasHole { lose() }
    }

    /// Notes that the source was found broken when it was written to.
    ///
    /// What it sent before can still be read. The system reports the break once, and an orderly end from then on.
    func noteBrokenSource() {
        guard !hasBrokenSource else { return }
        hasBrokenSource = true
        if sourceEnding != nil {
            sourceEnding = (.reset, .now)
            ending = nil
        }
        pump()
    }

    func cancel() {
        cancelTimer()
        onDue = nil
    }

    private func receive() {
        withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { buffer in
            while wantsToRead {
                do throws(SystemError) {
                    let room = min(buffer.count, Self.limit - heldBytes)
                    guard let count = try source.receive(into: .init(rebasing: buffer[..<room])) else { return }
                    if count == 0 {
                        sourceEnding = (hasBrokenSource ? .reset : .orderly, .now)
                    } else {
                        chunks.append(Chunk(arrival: .now, bytes: Array(buffer[..<count])[...]))
                        heldBytes += count
                    }
                } catch {
                    sourceEnding = (.reset, .now)
                }
            }
        }
    }

    private func lose() {
        chunks = []
        heldBytes = 0
        // Nobody is told, so that a reset is no different.
        if sourceEnding != nil { ending = .orderly }
    }

    private func deliver() {
        var passedChunks = 0
        defer { chunks.removeFirst(passedChunks) }
        while passedChunks < chunks.count {
            let chunk = chunks[passedChunks]
            guard isDue(max(chunk.arrival + lane.delay, lane.freeAt)) else { return }
            do {
                let bytes = chunk.bytes.prefix(lane.allowance)
                let count = try destination.send(bytes)
                lane.pass(count)
                heldBytes -= count
                chunks[passedChunks].bytes = chunk.bytes.dropFirst(count)
                if count == chunk.bytes.count { passedChunks += 1 }
                isCut = lane.bytesBeforeCut == 0
                if isCut { return lane.bytesBeforeCut = nil }
                wantsToWrite = count < bytes.count
                if wantsToWrite { return }
            } catch {
                hasLostDestination = true
                hasHole = true
                return
            }
        }
        guard let sourceEnding, isDue(sourceEnding.arrival + lane.delay) else { return }
        if sourceEnding.kind == .orderly { destination.shutdownWrites() }
        ending = sourceEnding.kind
    }

    /// Whether `instant` has come; if not, waits for it.
    private func isDue(_ instant: ContinuousClock.Instant) -> Bool {
        if instant <= .now { return true }
        timer = EventLoop.schedule(at: instant) { [weak self] in
            self?.timer = nil
            self?.onDue?()
        }
        return false
    }

    private func cancelTimer() {
        if let timer { EventLoop.cancel(timer) }
        timer = nil
    }
}
