// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The state of a service, as its readers and those who find it out share it.
final class DiscoveryFeed: Sendable {
    struct Content {
        fileprivate(set) var state: DiscoveryState
        /// Why there will be no more changes.
        fileprivate(set) var ending: EtcdError?
        /// The instances that are checked.
        fileprivate var checked: Set<Key> = []
    }

    private let content: Lock<Content>
    /// Wakes all who wait for something.
    private let changes = LatestValue<Void>()

    init(_ state: DiscoveryState) { content = Lock(Content(state: state)) }

    func read<Result>(_ body: (Content) -> Result) -> Result { content.withLock { body($0) } }

    // MARK: The side that finds out

    func update(_ body: (inout DiscoveryState) -> Void) {
        let isNew = content.withLock { content in
            let before = content.state.version
            body(&content.state)
            return content.state.version != before
        }
        if isNew { changes.send(()) }
    }

    /// Ends the discovery; only the first reason counts.
    func end(_ error: EtcdError) {
        content.withLock { $0.ending = $0.ending ?? error }
        changes.send(())
    }

    /// Whether an instance is to be checked from now on, and was not before.
    func beginChecks(of id: Key) -> Bool { content.withLock { $0.checked.insert(id).inserted } }

    /// The instance to check; nil if it is gone, and is not checked any more.
    func nextToCheck(_ id: Key) -> ServiceInstance? {
        content.withLock { content in
            let instance = content.state.instance(id)
            if instance == nil { content.checked.remove(id) }
            return instance
        }
    }

    // MARK: The side of the readers

    /// Waits until `body` returns something.
    ///
    /// - Throws: Why the discovery has ended, or `cancelled`.
    func wait<Result>(for body: (Content) -> Result?) async throws(EtcdError) -> Result {
        for await _ in changes.listen() {
            let (result, ending) = content.withLock { (body($0), $0.ending) }
            if let result { return result }
            if let ending { throw ending }
        }
        throw EtcdError(.cancelled, "the task was cancelled")
    }

    /// Waits until all that was there at the beginning is known; not where a mirror was opened without its entries.
    func waitForFirst(_ mirror: KeyMirror) async throws(EtcdError) {
        if mirror.currentAsOf != nil { try await wait { $0.state.version > 0 ? () : nil } }
    }
}
