// SPDX-License-Identifier: Apache-2.0

/// Where a state comes from that is kept in this process, and since when.
///
/// A start waits for etcd no longer than the option `initialWait` says. Then it goes on with what there is, and this tells
/// what that is. It becomes ``etcd(since:)`` by itself when etcd is reached.
public enum StateSource: Sendable, Hashable {
    /// Nothing is known yet, so that defaults count; since the start.
    case nothing(since: ContinuousClock.Instant)
    /// It was read from the file of an earlier run; since the start.
    case file(since: ContinuousClock.Instant)
    /// It is from etcd; since the first time that it was.
    ///
    /// It may be out of date nevertheless, which is for properties such as `isStale` and `staleness` to tell.
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
}
