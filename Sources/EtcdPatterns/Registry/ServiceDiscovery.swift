// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The instances of a service as they come and go; see ``ServiceRegistry/withDiscovery(of:options:_:)``.
///
/// What is known goes on through broken connections, compactions, and a store that is restored: it is then listed anew,
/// and those who follow get what is different. An entry that is no instance is left out, and stands in
/// ``ServiceSnapshot/problems``.
public final class ServiceDiscovery: Sendable {
    private let follower: DiscoveryFollower
    private let mirror: KeyMirror
    /// What keeps a discovery without a scope current.
    private let following: Task<Void, Never>?

    init(_ follower: DiscoveryFollower, _ mirror: KeyMirror, following: Task<Void, Never>? = nil) {
        self.follower = follower
        self.mirror = mirror
        self.following = following
    }

    deinit { following?.cancel() }

    /// Ends a discovery that was made by ``ServiceRegistry/discovery(of:options:)``.
    ///
    /// Dropping it ends it too. One with a scope ends with its scope.
    public func close() async {
        guard let following else { return }
        following.cancel()
        await following.value
        await mirror.close()
    }

    // MARK: Reading

    /// All that is known.
    public var snapshot: ServiceSnapshot { follower.feed.read(\.state.snapshot) }

    /// All instances that are known; ``ServiceSnapshot/available`` has those that take requests.
    public var instances: [ServiceInstance] { snapshot.instances }

    /// How long ago it was last made sure that the snapshot is current; nil if it never was.
    public var staleness: Duration? { mirror.staleness }

    /// Whether the snapshot may be out of date: etcd was not reached since the start, or not for some time (three times
    /// ``MirrorOptions/checkInterval``), or the discovery has ended.
    public var isStale: Bool { mirror.isStale }

    /// Waits until enough instances take requests.
    ///
    /// - Parameter minimum: How many instances there must be in ``ServiceSnapshot/available``.
    /// - Returns: A snapshot that has them.
    /// - Throws: ``EtcdError``: `cancelled`, or why the discovery has ended.
    @discardableResult
    public func waitUntil(minimum: Int) async throws(EtcdError) -> ServiceSnapshot {
        try await follower.feed.wait { content in
            content.state.snapshot.availableCount >= minimum ? content.state.snapshot : nil
        }
    }

    // MARK: Following

    /// The snapshot as it is, and then the newest whenever there is a new one.
    ///
    /// A slow consumer skips snapshots.
    public var snapshots: ServiceSnapshots { ServiceSnapshots(feed: follower.feed) }

    /// The instances that are there as ``ServiceEvent/added(_:)``, and then all that is different.
    ///
    /// A reader that applies them one after the other has the instances. Those that are gone come first, and what is as before is
    /// silent, also after the connection was lost or history compacted. Each iteration has its own; a slow consumer gets
    /// the difference to what it has seen.
    public var events: ServiceEvents { ServiceEvents(feed: follower.feed) }

    /// The differences from one snapshot to the next.
    var cursor: DiscoveryCursor { DiscoveryCursor(follower.feed) }
}
