// SPDX-License-Identifier: Apache-2.0

/// What a watch reports, and how.
public struct WatchOptions: Sendable, Hashable {
    /// Reports with each change the entry from before.
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
    /// Beyond it, the watch gets a stream of its own, on which the server sends no more than the consumer takes. Nothing
    /// is lost meanwhile, unless it is compacted.
    public var bufferSize = 1 << 20

    /// Makes options that report all changes, without the entries from before.
    public init() {}

    /// Which of the client's shared streams the watch travels on.
    package var lane = Lane.bulk

    package enum Lane: Sendable, Hashable {
        /// Streams for watches of any volume.
        case bulk
        /// A stream for what must not wait behind others: locks, elections, sessions.
        case coordination
    }
}
