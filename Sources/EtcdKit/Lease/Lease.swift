// SPDX-License-Identifier: Apache-2.0

/// A lease: keys attached to it are deleted when it ends, and it ends unless it is kept alive.
public struct Lease: Sendable, Hashable {
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
        static var random: ID { ID(rawValue: .random(in: 1 ... .max)) }

        /// The number in hexadecimal digits, as etcdctl writes it.
        public var description: String { String(rawValue, radix: 16) }
    }

    /// The number of the lease.
    public let id: ID
    /// How long the lease lives after its grant or renewal.
    ///
    /// The server may grant more than was asked for.
    public let timeToLive: Duration
    /// When the grant was sent, which is before the server began to count.
    let grantSent: MonotonicInstant
}

/// What etcd knows of a lease.
public struct LeaseStatus: Sendable, Hashable {
    /// The number of the lease.
    public let id: Lease.ID
    /// How long the lease lives after its grant or renewal.
    public let grantedTimeToLive: Duration
    /// How long the lease lives from now on, if it is not renewed.
    public let remainingTimeToLive: Duration
    /// The keys that are attached to the lease, if they were asked for.
    public let keys: [Key]
}

/// The renewal of a lease.
public struct LeaseRenewal: Sendable, Hashable {
    /// The number of the lease.
    public let id: Lease.ID
    /// How long the lease lives after this renewal.
    public let timeToLive: Duration
    /// Until when the lease certainly lives: counted from when the renewal was sent.
    public let deadline: ContinuousClock.Instant
}
