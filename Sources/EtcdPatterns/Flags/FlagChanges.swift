// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Flags that have changed.
public struct FlagChange: Sendable, Hashable {
    /// The revision of the store with the change.
    public let revision: Revision
    /// The names of flags that are new or have changed, in order.
    public let updated: [String]
    /// The names of flags that are gone, in order.
    public let removed: [String]
}

/// The changes of flags; see ``FeatureFlags/changes``.
public struct FlagChanges: AsyncSequence, Sendable {
    /// Flags that have changed.
    public typealias Element = FlagChange
    /// What an iteration throws.
    public typealias Failure = EtcdError

    let base: MirrorChanges
    let prefix: Key

    /// Starts an iteration, whose first change has all flags.
    public func makeAsyncIterator() -> Iterator { Iterator(base: base.makeAsyncIterator(), prefix: prefix) }

    /// An iteration over the changes.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate var base: MirrorChanges.Iterator
        fileprivate let prefix: Key

        /// The next change; flags are evaluated by it already.
        ///
        /// - Returns: A change, never nil.
        /// - Throws: ``EtcdError``: `cancelled`, or why changes are not followed any more.
        public mutating func next() async throws(EtcdError) -> FlagChange? {
            try await next(isolation: nil)
        }

        /// The next change; flags are evaluated by it already.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: A change, never nil.
        /// - Throws: ``EtcdError``: `cancelled`, or why changes are not followed any more.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> FlagChange? {
            guard let change = try await base.next(isolation: actor) else { return nil }
            return FlagChange(
                revision: change.revision,
                updated: change.puts.map { $0.entry.key.flagName(under: prefix) },
                removed: change.deletions.map { $0.key.flagName(under: prefix) }
            )
        }
    }
}

@available(*, unavailable)
extension FlagChanges.Iterator: Sendable {}

extension Key {
    /// The name of the flag under this key.
    func flagName(under prefix: Key) -> String { Key(bytes: Array(bytes.dropFirst(prefix.bytes.count))).description }
}
