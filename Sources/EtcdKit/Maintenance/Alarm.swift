// SPDX-License-Identifier: Apache-2.0

/// Something that a member of a cluster has raised the alarm about; it lasts until it is disarmed.
public struct Alarm: Sendable, Hashable {
    /// What is wrong.
    public enum Kind: Sendable, Hashable {
        /// The database has reached its quota: nothing can be put.
        case noSpace
        /// The data of the member differ from those of the others.
        case corrupt
        /// Another kind, by etcd's number for it.
        case other(Int32)
    }

    /// The member that is concerned.
    public internal(set) var memberID = Member.ID(rawValue: 0)
    /// What is wrong.
    public internal(set) var kind = Kind.other(0)

    init() {}

    /// Names an alarm, to disarm it.
    ///
    /// - Parameters:
    ///   - kind: What is wrong.
    ///   - memberID: The member that is concerned.
    public init(_ kind: Kind, of memberID: Member.ID) {
        self.kind = kind
        self.memberID = memberID
    }
}
