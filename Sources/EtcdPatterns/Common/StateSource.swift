// SPDX-License-Identifier: Apache-2.0

/// The source of a state that this process keeps, and the time since when it has been the source.
///
/// A start waits for etcd for at most `initialWait`. Then it continues with the state of a file, or without one. The
/// source becomes ``etcd(since:)`` by itself when etcd is reached.
public enum StateSource: Sendable, Hashable, CustomStringConvertible {
    /// Nothing is known yet, so that defaults apply; since the start.
    case nothing(since: ContinuousClock.Instant)
    /// The state was read from the file of an earlier run; since the start.
    case file(since: ContinuousClock.Instant)
    /// The state is from etcd; since the first time that it was.
    ///
    /// It may be out of date nevertheless; see properties such as `isStale` and `staleness`.
    case etcd(since: ContinuousClock.Instant)

    /// Whether the state is from etcd.
    public var isEtcd: Bool {
        if case .etcd = self { true } else { false }
    }

    /// The time since when the state has had this source.
    public var since: ContinuousClock.Instant {
        switch self {
        case .nothing(let since), .file(let since), .etcd(let since): since
        }
    }

    /// The name of the source.
    public var description: String {
        switch self {
        case .nothing: "nothing"
        case .file: "file"
        case .etcd: "etcd"
        }
    }
}
