// SPDX-License-Identifier: Apache-2.0

/// Remembers for a while which endpoints do not have a method.
///
/// In a rolling upgrade, some members have the method and others do not have it yet.
final class MissingMethods: Sendable {
    private struct Place: Hashable {
        let path: String
        let endpoint: Endpoint
    }

    /// How long an answer is believed.
    static let memory = Duration.seconds(60)

    private let ends = Lock<[Place: ContinuousClock.Instant]>([:])

    /// Notes that `endpoint` has said that it does not have the method.
    func note(_ path: String, at endpoint: Endpoint, now: ContinuousClock.Instant = .now) {
        ends.withLock { ends in
            ends = ends.filter { $0.value > now }
            ends[Place(path: path, endpoint: endpoint)] = now + Self.memory
        }
    }

    /// The endpoints that have lately said so.
    func endpoints(without path: String, now: ContinuousClock.Instant = .now) -> [Endpoint] {
        ends.withLock { ends in
            ends.compactMap { $0.key.path == path && $0.value > now ? $0.key.endpoint : nil }
        }
    }
}
