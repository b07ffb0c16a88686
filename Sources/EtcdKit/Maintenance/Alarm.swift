// SPDX-License-Identifier: Apache-2.0

/// An alarm of a member; it is raised until it is disarmed.
public struct Alarm: Sendable, Hashable, CustomStringConvertible {
    /// A kind of alarm.
    ///
    /// Later versions of this package may know more kinds.
    public enum Kind: Sendable, Hashable, CustomStringConvertible {
        /// The database has reached its quota: nothing can be put.
        case noSpace
        /// The data of the member differ from those of the others.
        case corrupt
        /// Another kind, by etcd's number for it.
        case other(Int32)

        /// The name that etcd uses, or its number.
        public var description: String {
            switch self {
            case .noSpace: "NOSPACE"
            case .corrupt: "CORRUPT"
            case .other(let number): "alarm \(number)"
            }
        }
    }

    /// The member that is concerned.
    public var memberID = Member.ID(rawValue: 0)
    /// The kind of alarm.
    public var kind = Kind.other(0)

    init() {}

    /// Makes an alarm, such as one to disarm.
    ///
    /// - Parameters:
    ///   - kind: The kind of alarm.
    ///   - memberID: The member that is concerned.
    public init(_ kind: Kind, of memberID: Member.ID) {
        self.kind = kind
        self.memberID = memberID
    }

    /// The kind and the member.
    public var description: String { "\(kind) of member \(memberID)" }
}
