// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The view of a group as it is, and then the newest whenever its members have changed; see ``MemberGroup/views``.
///
/// It goes on through broken connections, compactions and restorations. A slow consumer skips views.
public struct GroupViews: AsyncSequence, Sendable {
    /// Who is in the group at one revision.
    public typealias Element = GroupView
    /// What an iteration throws.
    public typealias Failure = EtcdError

    let client: EtcdClient
    let prefix: Key

    /// Starts an iteration, whose first view is the present one.
    public func makeAsyncIterator() -> Iterator { Iterator(client: client, prefix: prefix) }

    /// An iteration over the views.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let client: EtcdClient
        fileprivate let prefix: Key
        private var mirror: KeyMirror?
        private var snapshots: MirrorViews.Iterator?
        private var last: GroupView?

        fileprivate init(client: EtcdClient, prefix: Key) {
            self.client = client
            self.prefix = prefix
        }

        /// The newest view, once its members are others than before.
        ///
        /// - Returns: A view, never nil.
        /// - Throws: ``EtcdError``: `cancelled`, or why the members cannot be followed, such as `permissionDenied`.
        public mutating func next() async throws(EtcdError) -> GroupView? {
            try await next(isolation: nil)
        }

        /// The newest view, once its members are others than before.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: A view, never nil.
        /// - Throws: ``EtcdError``: `cancelled`, or why the members cannot be followed, such as `permissionDenied`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> GroupView? {
            if mirror == nil {
                let (client, prefix) = (client, prefix)
                let mirror = try await client.retryingWhileUnavailable { () throws(EtcdError) in
                    try await client.mirror(of: .prefix(prefix))
                }
                self.mirror = mirror
                snapshots = mirror.views.makeAsyncIterator()
            }
            while let snapshot = try await snapshots?.next(isolation: actor) {
                let view = GroupView(snapshot, behind: prefix)
                if view.members == last?.members { continue }
                last = view
                return view
            }
            throw EtcdError(.cancelled, "the task was cancelled")
        }
    }
}

@available(*, unavailable)
extension GroupViews.Iterator: Sendable {}
