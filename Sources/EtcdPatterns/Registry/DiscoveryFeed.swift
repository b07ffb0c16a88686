// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The knowledge of a discovery: its follower updates it, and readers wait for changes.
final class DiscoveryFeed: Sendable {
    struct Content {
        fileprivate(set) var state: DiscoveryState
        /// Why there will be no more changes.
        fileprivate(set) var ending: EtcdError?
        /// The instances that are checked.
        fileprivate var checked: Set<Key> = []
    }

    private let content: SharedState<Content>

    init(_ state: DiscoveryState) { content = SharedState(Content(state: state)) }

    func read<Result>(_ body: (Content) -> Result) -> Result { content.withLock { body($0) } }

    // MARK: The follower's side

    func update(_ body: (inout DiscoveryState) -> Void) {
        let isNew = content.withLock { content in
            let before = content.state.version
            body(&content.state)
            return content.state.version != before
        }
        if isNew { content.update { _ in } }
    }

    /// Ends the discovery; only the first reason counts.
    func end(_ error: EtcdError) { content.update { $0.ending = $0.ending ?? error } }

    /// Whether an instance is to be checked from now on, and was not before.
    func beginChecks(of id: Key) -> Bool { content.withLock { $0.checked.insert(id).inserted } }

    /// The instance to check; nil if it is gone, after which it counts as not checked.
    func nextToCheck(_ id: Key) -> ServiceInstance? {
        content.withLock { content in
            let instance = content.state.instance(id)
            if instance == nil { content.checked.remove(id) }
            return instance
        }
    }

    // MARK: The readers' side

    /// Waits until `body` returns something.
    ///
    /// - Throws: `CancellationError`; the ``EtcdError`` that has ended the discovery.
    func wait<Answer>(for body: (Content) -> Answer?) async throws -> Answer {
        try await content.wait { content -> Result<Answer, EtcdError>? in
            if let answer = body(content) { return .success(answer) }
            return content.ending.map { .failure($0) }
        }.get()
    }

    /// Waits until the entries that were in the store at the beginning are known, unless the mirror was opened without
    /// its entries.
    func waitForFirst(_ mirror: KeyMirror) async throws {
        if mirror.currentAsOf != nil { try await wait { $0.state.version > 0 ? () : nil } }
    }
}
