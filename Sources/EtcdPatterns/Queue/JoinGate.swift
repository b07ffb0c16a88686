// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Limits how many acquisitions of one client join a queue at the same time.
///
/// Each join makes etcd count the queue, serially with all other writes and with the renewals of leases. Thousands of
/// joins at once would delay these until sessions are lost.
final class JoinGate: Sendable {
    /// How many may join at once.
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
    /// `lifetime` ends before.
    func pass<Result>(
        _ name: Key,
        within lifetime: Lifetime,
        _ body: () async throws -> Result
    ) async throws -> Result {
        try await enter(name, within: lifetime)
        defer { leave(name) }
        return try await body()
    }

    private func enter(_ name: Key, within lifetime: Lifetime) async throws {
        let waiting = places.withLock { places -> (AsyncStream<Void>, Ticket)? in
            if places[name, default: Place()].inside < Self.width {
                places[name, default: Place()].inside += 1
                return nil
            }
            let (admissions, admission) = AsyncStream.makeStream(of: Void.self)
            let ticket = Ticket(admission)
            places[name]?.waiting.append(ticket)
            return (admissions, ticket)
        }
        guard let (admissions, ticket) = waiting else { return }
        let number = lifetime.observe { _ in ticket.admission.finish() }
        defer { lifetime.forget(number) }
        for await _ in admissions { break }
        let loss = lifetime.loss
        guard Task.isCancelled || loss != nil else { return }
        let isStillWaiting = places.withLock { places in
            guard let index = places[name]?.waiting.firstIndex(where: { $0 === ticket }) else { return false }
            places[name]?.waiting.remove(at: index)
            return true
        }
        if !isStillWaiting { leave(name) }
        if let loss { throw loss }
        try Task.checkCancellation()
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
