// SPDX-License-Identifier: Apache-2.0

/// A change of a key.
public struct WatchEvent: Sendable, Hashable {
    /// A kind of change.
    public enum Kind: Sendable, Hashable {
        /// The key was put.
        case put
        /// The key was deleted, by a request or with its lease.
        case delete
    }

    /// What happened to the key.
    public var kind: Kind { type == .delete ? .delete : .put }
    /// The entry after the change.
    ///
    /// After a deletion it has the key and the revision only.
    public internal(set) var entry = KeyValue()
    /// The entry before the change, where it was asked for, existed, and is not compacted yet.
    public internal(set) var previous: KeyValue?
    var type = EventType.put

    struct EventType: ProtobufEnum, Hashable {
        let rawValue: Int32
        static let put = Self(rawValue: 0)
        static let delete = Self(rawValue: 1)
    }

    init() {}

    init(deletionOf key: Key, at revision: Revision) {
        type = .delete
        entry.key = key
        entry.modRevision = revision
    }

    init(putOf entry: KeyValue) { self.entry = entry }

    /// The key that changed.
    public var key: Key { entry.key }

    /// The revision of the change.
    public var revision: Revision { entry.modRevision }

    /// The key did not exist before.
    public var isCreation: Bool { kind == .put && entry.createRevision == entry.modRevision }
}

/// All changes of one revision that a watch has seen, or the news that there are none up to it.
public struct WatchBatch: Sendable, Hashable {
    /// The revision.
    ///
    /// All changes up to it have been delivered, so a watch can go on at the next.
    public let revision: Revision
    /// The changes; empty for news of progress.
    public let events: [WatchEvent]
    /// The events are the difference that was found after a compaction, not what happened.
    ///
    /// See ``WatchOptions/CompactionPolicy/resync``. Its puts, in the order of keys, have entries as they were read, with
    /// the revisions of their last changes; its deletions, which follow, have the batch's revision.
    public let isResync: Bool
    /// See ``WatchOptions/reportsInterruptions``.
    package let isInterruption: Bool

    init(revision: Revision, events: [WatchEvent], isResync: Bool = false, isInterruption: Bool = false) {
        self.revision = revision
        self.events = events
        self.isResync = isResync
        self.isInterruption = isInterruption
    }
}
