// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The instances of a service as they come and go; see ``ServiceRegistry/withDiscovery(of:options:_:)``.
///
/// A discovery continues across broken connections, compactions and a restored store. It then lists the instances anew,
/// and its followers get the difference. An entry that is not an instance is left out, and listed in
/// ``ServiceView/problems``.
public final class ServiceDiscovery: Sendable {
    private let feed: DiscoveryFeed
    private let mirror: KeyMirror
    /// Keeps a discovery without a scope current.
    private let following: Task<Void, Never>?

    init(_ feed: DiscoveryFeed, _ mirror: KeyMirror, following: Task<Void, Never>? = nil) {
        self.feed = feed
        self.mirror = mirror
        self.following = following
    }

    deinit { following?.cancel() }

    /// Ends a discovery that was made by ``ServiceRegistry/discovery(of:options:)``.
    ///
    /// A discovery also ends when it is dropped. A discovery with a scope ends with its scope.
    public func close() async {
        guard let following else { return }
        following.cancel()
        await following.value
        await mirror.close()
    }

    // MARK: Reading

    /// The current view.
    public var view: ServiceView { feed.read(\.state.view) }

    /// All instances that are known; ``ServiceView/available`` has those that take requests.
    public var instances: [ServiceInstance] { view.instances }

    /// The time since it was last certain that the view is current; nil if it never was.
    public var staleness: Duration? { mirror.staleness }

    /// Whether the view may be out of date.
    ///
    /// It may be if etcd was not reached since the start, or not for some time (three times
    /// ``MirrorOptions/checkInterval``), or if the discovery has ended.
    public var isStale: Bool { mirror.isStale }

    /// Waits until enough instances take requests.
    ///
    /// - Parameter minimum: The number of instances that ``ServiceView/available`` must have.
    /// - Returns: A view that has them.
    /// - Throws: `CancellationError`; the ``EtcdError`` that has ended the discovery.
    @discardableResult
    public func waitUntilAvailable(atLeast minimum: Int = 1) async throws -> ServiceView {
        try await feed.wait { $0.state.view.availableCount >= minimum ? $0.state.view : nil }
    }

    // MARK: Following

    /// The current view, and then the newest one after each change; a slow consumer skips views.
    ///
    /// An iteration throws `CancellationError`, or the ``EtcdError`` that has ended the discovery.
    public var views: UpdateSequence<ServiceView, any Error> {
        UpdateSequence { [feed] in
            var last = 0
            return {
                let view = try await feed.wait { $0.state.version == last ? nil : $0.state.view }
                last = view.version
                return view
            }
        }
    }

    /// The current instances as ``ServiceEvent/added(_:)``, and then each difference.
    ///
    /// A reader that applies the events one after the other has the instances. Instances that are gone come first.
    /// Instances that did not change cause no event, also after a lost connection or a compaction. Each iteration
    /// begins with the current instances. A slow consumer gets the difference to the last view that it has seen.
    ///
    /// An iteration throws `CancellationError`, or the ``EtcdError`` that has ended the discovery, after all known events.
    public var events: UpdateSequence<ServiceEvent, any Error> {
        UpdateSequence { [cursor] in
            var cursor = cursor
            var pending: ArraySlice<ServiceEvent> = []
            return {
                while pending.isEmpty { pending = try await cursor.next().events[...] }
                return pending.popFirst()
            }
        }
    }

    /// The differences from one view to the next.
    var cursor: DiscoveryCursor { DiscoveryCursor(feed: feed) }
}

/// How a discovery treats instances: protection from mass losses, and checks.
public struct DiscoveryOptions: Sendable {
    /// When instances that vanish together are kept; nil to remove each instance at once.
    public var massLoss: MassLossProtection? = MassLossProtection()
    /// How to check the instances from this process; nil to trust their own status.
    ///
    /// Only this process knows the results.
    public var check: HealthCheck?
    /// How long a start waits for etcd before it continues without instances; `.zero` starts at once.
    ///
    /// The instances are added as soon as etcd is reached; see ``ServiceDiscovery/isStale``.
    public var initialWait = Duration.seconds(5)

    /// Makes options with protection from mass losses, and without checks.
    public init() {}
}
