// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The current view of a group, and then the newest whenever its members have changed; see ``MemberGroup/views``.
///
/// It goes on through broken connections, compactions and restorations. A slow consumer skips views.
public struct GroupViews: AsyncSequence, Sendable {
    /// The members of the group at one revision.
    public typealias Element = GroupView
    /// The errors of an iteration: ``EtcdError`` or `CancellationError`.
    public typealias Failure = any Error

    let client: EtcdClient
    let prefix: Key

    /// Starts an iteration, whose first element is the current view.
    public func makeAsyncIterator() -> Iterator {
        let changes = MirroredValues(client, .prefix(prefix), isSame: { $0.members == $1.members }) { [prefix] in
            GroupView($0, behind: prefix)
        }
        return Iterator(changes: changes)
    }

    /// An iteration over the views.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate var changes: MirroredValues<GroupView>

        /// The newest view, as ``next(isolation:)`` returns it.
        public mutating func next() async throws -> GroupView? { try await next(isolation: nil) }

        /// The newest view, once its members have changed.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: A view, never nil.
        /// - Throws: ``EtcdError`` when the members cannot be followed, such as `permissionDenied`; `CancellationError`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws -> GroupView? {
            try await changes.next(isolation: actor)
        }
    }
}

@available(*, unavailable)
extension GroupViews.Iterator: Sendable {}
