// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The flags that have changed with a revision; see ``FeatureFlags/changes``.
public struct FlagChange: Sendable, Hashable, CustomStringConvertible {
    /// The revision of the store with the change.
    public let revision: Revision
    /// The names of flags that are new or have changed, in order.
    public let updated: [String]
    /// The names of flags that are gone, in order.
    public let removed: [String]

    /// Makes a change, for tests; the parameters are its properties.
    public init(revision: Revision, updated: [String] = [], removed: [String] = []) {
        self.revision = revision
        self.updated = updated
        self.removed = removed
    }

    init(_ change: MirrorChange, _ prefix: Key) {
        self.init(
            revision: change.revision,
            updated: change.puts.map { $0.entry.key.flagName(under: prefix) },
            removed: change.deletions.map { $0.key.flagName(under: prefix) }
        )
    }

    /// The revision and the flags in one line.
    public var description: String { "revision \(revision): \(updated) updated, \(removed) removed" }
}

extension Key {
    /// The name of the flag under this key.
    func flagName(under prefix: Key) -> String { Key(bytes: Array(bytes.dropFirst(prefix.bytes.count))).description }
}
