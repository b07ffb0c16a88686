// SPDX-License-Identifier: Apache-2.0

/// A change of a key.
public struct WatchEvent: Sendable, Hashable, CustomStringConvertible {
    /// A kind of change.
    public enum Kind: Sendable, Hashable {
        /// The key was put.
        case put
        /// The key was deleted, by a request or with its lease.
        case delete
    }

    /// The kind of the change.
    public var kind: Kind { type == .delete ? .delete : .put }
    /// The entry after the change.
    ///
    /// After a deletion it has the key and the revision only.
    public var entry = KeyValue()
    /// The entry before the change, if it was asked for, existed, and has not been compacted.
    public var previous: KeyValue?
    var type = EventType.put

    struct EventType: ProtobufEnum, Hashable {
        let rawValue: Int32
        static let put = Self(rawValue: 0)
        static let delete = Self(rawValue: 1)
    }

    init() {}

    /// Makes the event of a put.
    ///
    /// - Parameters:
    ///   - entry: The entry after the put.
    ///   - previous: The entry before it, if it was asked for and there was one.
    public init(putOf entry: KeyValue, previous: KeyValue? = nil) {
        self.entry = entry
        self.previous = previous
    }

    /// Makes the event of a deletion.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - revision: The revision of the deletion.
    ///   - previous: The entry before it, if it was asked for.
    public init(deletionOf key: Key, at revision: Revision, previous: KeyValue? = nil) {
        type = .delete
        entry.key = key
        entry.modRevision = revision
        self.previous = previous
    }

    /// The key that changed.
    public var key: Key { entry.key }

    /// The revision of the change.
    public var revision: Revision { entry.modRevision }

    /// The key did not exist before.
    public var isCreation: Bool { kind == .put && entry.createRevision == entry.modRevision }

    /// The change in words.
    public var description: String {
        kind == .put ? "put \(entry)" : "delete \(key) (revision \(revision))"
    }
}

/// All changes of one revision, or a report of progress: there are no more changes up to the revision.
public struct WatchBatch: Sendable, Hashable, CustomStringConvertible {
    /// The revision.
    ///
    /// All changes up to it have been delivered, so a watch can resume at the next. See
    /// ``EtcdClient/requestWatchProgress()`` for an exception with old versions of etcd.
    public let revision: Revision
    /// The changes; empty for a report of progress.
    public let events: [WatchEvent]
    /// The events are the difference that was found after a compaction, not the changes themselves.
    ///
    /// See ``WatchOptions/CompactionPolicy/resync``. Its puts, in the order of keys, have entries as they were read, with
    /// the revisions of their last changes; its deletions, which follow, have the batch's revision.
    public let isResync: Bool
    /// See ``WatchOptions/reportsInterruptions``.
    package private(set) var isInterruption = false

    init(interruptionAt revision: Revision) {
        self.init(revision: revision, events: [])
        isInterruption = true
    }

    /// Makes a batch.
    ///
    /// - Parameters:
    ///   - revision: The revision.
    ///   - events: The changes; none for a report of progress.
    ///   - isResync: The events are the difference that was found after a compaction.
    public init(revision: Revision, events: [WatchEvent], isResync: Bool = false) {
        self.revision = revision
        self.events = events
        self.isResync = isResync
    }

    /// The revision and the changes in words.
    public var description: String {
        let changes = events.map(\.description).joined(separator: ", ")
        return "revision \(revision)\(isResync ? ", resync" : ""): \(events.isEmpty ? "no changes" : changes)"
    }
}
