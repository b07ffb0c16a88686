// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Lets a few on one client join a queue at a time.
///
/// etcd counts the queue when somebody joins, one after the other with all other writes and with the renewals of leases.
/// Thousands at once would hold these up until sessions are lost.
final class JoinGate: Sendable {
    /// How many may be on their way at once.
    static let width = 32

    private final class Ticket: Sendable {
        let admission: AsyncStream<Void>.Continuation

        init(_ admission: AsyncStream<Void>.Continuation) { self.admission = admission }
    }

    private struct Place {
        var inside = 0
        var waiting: [Ticket] = []
    }

    private let places = Lock<[Key: Place]>([:])

    /// Runs `body` once there is room for one more at the queue of `name`, a key of the whole store; throws the loss if
    /// `tenure` ends before.
    func pass<Result>(
        _ name: Key,
        within tenure: Tenure,
        _ body: () async throws -> Result
    ) async throws -> Result {
        try await enter(name, within: tenure)
        defer { leave(name) }
        return try await body()
    }

    private func enter(_ name: Key, within tenure: Tenure) async throws {
        let hasRoom = places.withLock { places in
            let hasRoom = places[name, default: Place()].inside < Self.width
            if hasRoom { places[name, default: Place()].inside += 1 }
            return hasRoom
        }
        if hasRoom { return }
        let (admissions, admission) = AsyncStream.makeStream(of: Void.self)
        let ticket = Ticket(admission)
        let isInside = places.withLock { places in
            var place = places[name] ?? Place()
            let hasRoom = place.inside < Self.width
            if hasRoom { place.inside += 1 } else { place.waiting.append(ticket) }
            places[name] = place
            return hasRoom
        }
        if isInside { return }
        let number = tenure.observe { _ in admission.finish() }
        defer { tenure.forget(number) }
        for await _ in admissions { break }
        let loss = tenure.loss
        guard Task.isCancelled || loss != nil else { return }
        let isStillWaiting = places.withLock { places in
            guard let index = places[name]?.waiting.firstIndex(where: { $0 === ticket }) else { return false }
            places[name]?.waiting.remove(at: index)
            return true
        }
        if !isStillWaiting { leave(name) }
        if let loss { throw loss }
        try checkCancellation()
    }

    private func leave(_ name: Key) {
        let next = places.withLock { places -> Ticket? in
            guard var place = places[name] else { return nil }
            defer { places[name] = place.inside > 0 ? place : nil }
            if !place.waiting.isEmpty { return place.waiting.removeFirst() }
            place.inside -= 1
            return nil
        }
        next?.admission.yield()
    }
}
