// SPDX-License-Identifier: Apache-2.0

/// The source of a state that this process keeps, and since when it is from there.
///
/// A start waits for etcd no longer than the option `initialWait` says. Then it goes on with the state of a file, or without
/// any. The source becomes ``etcd(since:)`` by itself when etcd is reached.
public enum StateSource: Sendable, Hashable, CustomStringConvertible {
    /// Nothing is known yet, so that defaults count; since the start.
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

    /// Since when the state is from there.
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
