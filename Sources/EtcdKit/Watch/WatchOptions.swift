// SPDX-License-Identifier: Apache-2.0

/// The changes that a watch reports, and how.
public struct WatchOptions: Sendable, Hashable {
    /// Adds the previous entry to each change.
    ///
    /// The difference after a compaction has no previous entries.
    public var includesPrevious = false
    /// Leaves puts out.
    public var ignoresPuts = false
    /// Leaves deletions out.
    public var ignoresDeletes = false
    /// Requests progress notifications, which etcd sends when nothing has changed for a while (ten minutes by default).
    ///
    /// ``WatchSequence/batches`` then has batches without events.
    public var reportsProgress = false
    /// About how many bytes the watch buffers for a slow consumer.
    ///
    /// Beyond that, the watch gets a stream of its own. On it, the server may be ahead of the consumer by 1 MiB at
    /// first, later by this size (at least 64 KiB), and by one answer, usually of 2 MiB at most. No change is lost
    /// meanwhile, unless it is compacted.
    public var bufferSize = 1 << 20
    /// The reaction to changes that were compacted before the watch received them.
    public var onCompaction = CompactionPolicy.throw

    /// Makes options that report all changes, without previous entries.
    public init() {}

    /// The reaction of a watch to a gap.
    public enum CompactionPolicy: Sendable, Hashable {
        /// It throws `compacted`.
        case `throw`
        /// It reads the range, and reports the difference from the changes that it has reported before.
        ///
        /// The difference is one batch, marked by ``WatchBatch/isResync``: a put for each entry that is new or has
        /// changed, and a deletion for each that is gone. The changes in between are lost. Then the watch continues.
        ///
        /// To find the difference, the watch reads the keys of its range when it begins, at the revision before its
        /// first, and keeps each key with its revision in memory. If that revision is compacted itself, the watch
        /// throws `compacted`. It is for one consumer at a time.
        case resync
    }

    /// The kind of shared stream that the watch uses.
    package var lane = Lane.bulk
    /// Reports, as a batch without events, that the watch was interrupted, begins on a connection that was opened later,
    /// or is confirmed by a member that is behind.
    ///
    /// In all three cases the store may have been replaced by an older one. Nothing else shows this: the events of that
    /// store have revisions before the watch's first. The revision of the batch is that of the store.
    package var reportsInterruptions = false

    package enum Lane: Sendable, Hashable {
        /// Streams for watches of any volume.
        case bulk
        /// A stream for watches that must not wait behind others: locks, elections, sessions.
        case coordination
    }
}
