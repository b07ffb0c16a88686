// SPDX-License-Identifier: Apache-2.0

/// The changes that a watch reports, and how.
public struct WatchOptions: Sendable, Hashable {
    /// Reports with each change the entry from before.
    ///
    /// The difference after a compaction does not have them.
    public var includesPrevious = false
    /// Leaves puts out.
    public var ignoresPuts = false
    /// Leaves deletions out.
    public var ignoresDeletes = false
    /// Lets the server tell from time to time (every ten minutes by default) how far the watch is when nothing
    /// changes.
    ///
    /// ``WatchSequence/batches`` then has batches without events.
    public var reportsProgress = false
    /// How much the watch buffers for a slow consumer, in bytes, about.
    ///
    /// Beyond it, the watch gets a stream of its own, on which the server sends only so much more than the consumer takes:
    /// 1 MiB at first, and from then on 64 KiB at least; and one answer, of 2 MiB at most as a rule, that may be larger than
    /// that. Nothing is lost meanwhile, unless it is compacted.
    public var bufferSize = 1 << 20
    /// How the watch goes on when changes were compacted before it has seen them.
    public var onCompaction = CompactionPolicy.throw

    /// Makes options that report all changes, without the entries from before.
    public init() {}

    /// How a watch goes on that has a gap.
    public enum CompactionPolicy: Sendable, Hashable {
        /// It throws `compacted`.
        case `throw`
        /// It reads what is there now, and reports how that differs from what it has reported before.
        ///
        /// The difference is one batch, marked by ``WatchBatch/isResync``: a put for each entry that is new or has
        /// changed, and a deletion for each that is gone. The changes in between are lost. Then the watch goes on.
        ///
        /// To know the difference, the watch reads the keys of its range when it begins, at the revision before its
        /// first, and remembers each key with its revision: its memory grows with the number of keys. When that revision
        /// is compacted itself, the watch throws `compacted`. It is for one consumer at a time.
        case resync
    }

    /// Which of the client's shared streams the watch travels on.
    package var lane = Lane.bulk
    /// Reports, as a batch without events, that the watch was interrupted, begins on a connection that was opened later,
    /// or is confirmed by a member that is behind.
    ///
    /// In all three cases the store may have been replaced by an older one, which shows in no other way: its events are
    /// of revisions before the watch's first. The revision of the batch is that of the store.
    package var reportsInterruptions = false

    package enum Lane: Sendable, Hashable {
        /// Streams for watches of any volume.
        case bulk
        /// A stream for what must not wait behind others: locks, elections, sessions.
        case coordination
    }
}
