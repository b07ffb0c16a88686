// SPDX-License-Identifier: Apache-2.0

/// A lease: keys attached to it are deleted when it ends, and it ends unless it is kept alive.
public struct Lease: Sendable, Hashable, CustomStringConvertible {
    /// The number of a lease.
    public struct ID: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
        /// The number, positive for every lease.
        public let rawValue: Int64

        /// Makes an ID of its number.
        ///
        /// - Parameter rawValue: The number, positive.
        public init(rawValue: Int64) { self.rawValue = rawValue }

        /// The ID that stands for no lease.
        public static let none = ID(rawValue: 0)

        /// A random ID, for a new lease.
        package static var random: ID { ID(rawValue: .random(in: 1 ... .max)) }

        /// The number in hexadecimal digits, as etcdctl writes it.
        public var description: String { String(rawValue, radix: 16) }
    }

    /// The number of the lease.
    public let id: ID
    /// How long the lease lives after its grant or renewal.
    ///
    /// The server may grant more than was asked for.
    public let timeToLive: Duration
    /// When the grant was sent, or the renewal that followed a late one: before the server began to count.
    package let grantSent: MonotonicInstant

    /// The number and the time to live.
    public var description: String { "lease \(id) of \(timeToLive)" }
}

extension Lease {
    /// Makes a lease as if it had been granted now.
    ///
    /// - Parameters:
    ///   - id: The number of the lease.
    ///   - timeToLive: How long the lease lives.
    public init(id: ID, timeToLive: Duration) {
        self.init(id: id, timeToLive: timeToLive, grantSent: .now)
    }
}

/// The status of a lease at the server.
public struct LeaseStatus: Sendable, Hashable, CustomStringConvertible {
    /// The number of the lease.
    public let id: Lease.ID
    /// How long the lease lives after its grant or renewal.
    public let grantedTimeToLive: Duration
    /// How long the lease lives from now on, if it is not renewed.
    public let remainingTimeToLive: Duration
    /// The keys that are attached to the lease, if they were asked for.
    public let keys: [Key]

    /// Makes a status.
    public init(id: Lease.ID, grantedTimeToLive: Duration, remainingTimeToLive: Duration, keys: [Key] = []) {
        self.id = id
        self.grantedTimeToLive = grantedTimeToLive
        self.remainingTimeToLive = remainingTimeToLive
        self.keys = keys
    }

    /// The number, both times, and the keys.
    public var description: String {
        let keys = keys.isEmpty ? "" : ", keys: \(keys.map(\.description).joined(separator: ", "))"
        return "lease \(id), \(remainingTimeToLive) of \(grantedTimeToLive) left\(keys)"
    }
}

/// The renewal of a lease.
public struct LeaseRenewal: Sendable, Hashable, CustomStringConvertible {
    /// The number of the lease.
    public let id: Lease.ID
    /// How long the lease lives after this renewal.
    public let timeToLive: Duration
    /// Until when the lease certainly lives: counted from when the renewal was sent.
    public let deadline: ContinuousClock.Instant

    /// Makes a renewal.
    public init(id: Lease.ID, timeToLive: Duration, deadline: ContinuousClock.Instant) {
        self.id = id
        self.timeToLive = timeToLive
        self.deadline = deadline
    }

    /// The number and the time to live.
    public var description: String { "lease \(id) renewed for \(timeToLive)" }
}
