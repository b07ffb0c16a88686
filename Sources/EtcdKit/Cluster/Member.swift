// SPDX-License-Identifier: Apache-2.0

/// A member of a cluster.
public struct Member: Sendable, Hashable, CustomStringConvertible {
    /// The number of a member.
    public struct ID: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
        /// The number.
        public var rawValue: UInt64

        /// Makes an ID of its number.
        ///
        /// - Parameter rawValue: The number, as in ``ResponseHeader/memberID``.
        public init(rawValue: UInt64) { self.rawValue = rawValue }

        /// The number in hexadecimal digits, as etcdctl writes it.
        public var description: String { String(rawValue, radix: 16) }
    }

    /// The number of the member, which etcd has chosen.
    public var id = ID(rawValue: 0)
    /// The name; empty until the member has started for the first time.
    public var name = ""
    /// Where the other members reach it.
    public var peerURLs: [String] = []
    /// Where it serves clients; none until it has started for the first time.
    public var clientURLs: [String] = []
    /// It receives all changes but has no vote, and serves only serializable reads.
    public var isLearner = false
    /// It has started at least once since it was added.
    public var isStarted: Bool { !name.isEmpty }

    /// Makes a member that votes, with the number 0.
    public init() {}

    /// The name, the number, and whether it is a learner.
    public var description: String {
        "\(isStarted ? name : "a member that has not started") (\(id)\(isLearner ? ", learner" : ""))"
    }
}
