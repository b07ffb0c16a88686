// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A direction of a ``FaultProxy``, shared by all connections: its faults, and the passed data.
@EventLoop
final class FaultProxyLane {
    enum Passage {
        /// Data pass.
        case open
        /// Data wait.
        case stalled
        /// Data are dropped.
        case lost
    }

    var passage = Passage.open
    var delay = Duration.zero
    /// The number of bytes that pass before all connections are cut; nil for no cut.
    var bytesBeforeCut: Int?
    /// The number of bytes that pass per second; nil for no limit.
    var bytesPerSecond: Int?
    /// The time when the next bytes may pass.
    private(set) var freeAt = ContinuousClock.now
    private(set) var bytesPassed = 0

    /// The number of bytes that may pass at once.
    var allowance: Int {
        // The bytes of a hundredth of a second, so that a limited direction is not fast in bursts.
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

/// A direction of a ``FaultProxyConnection``.
///
/// It reads from one peer, holds the data as long as the faults require, and writes them to the other. The end of the
/// stream follows the data.
@EventLoop
final class FaultProxyFlow {
    private struct Chunk {
        let arrival: ContinuousClock.Instant
        var bytes: ArraySlice<UInt8>
    }

    /// The largest number of held bytes, before the sender must wait.
    private static let limit = 256 << 10

    /// Called when held data become due.
    var onDue: (@EventLoop () -> Void)?
    /// The end of the stream for the destination, including a dropped one.
    private(set) var ending: FaultProxyEnding?
    /// Whether the destination accepts no more data.
    private(set) var hasLostDestination = false
    /// Whether the bytes before a cut have passed.
    private(set) var isCut = false
    /// Whether more data should be read.
    var wantsToRead: Bool { sourceEnding == nil && lane.passage != .stalled && heldBytes < Self.limit }
    /// Whether the destination must become writable for the rest.
    private(set) var wantsToWrite = false

    private let source: FaultProxyPeer
    private let destination: FaultProxyPeer
    private let lane: FaultProxyLane
    private var chunks: [Chunk] = []
    private var heldBytes = 0
    private var sourceEnding: (kind: FaultProxyEnding, arrival: ContinuousClock.Instant)?
    private var hasBrokenSource = false
    /// Whether a byte was dropped, so that all following ones are.
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

    /// Records that the source was broken when it was written to.
    ///
    /// Data that it sent before can still be read. The system reports the failure once, and then a normal end.
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
        // Nothing is reported, so that a reset is no different.
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

    /// Whether `instant` has passed; if not, waits for it.
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
