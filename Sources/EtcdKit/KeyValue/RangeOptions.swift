// SPDX-License-Identifier: Apache-2.0

/// How to read a range of keys.
public struct RangeOptions: Sendable, Hashable {
    /// The most entries to return; nil for all.
    ///
    /// The answer says whether there are more.
    public var limit: Int?
    /// The revision to read at; nil for the newest.
    public var revision: Revision?
    /// The order of the entries; nil for that of the keys.
    public var sort: Sort?
    /// Lets any member answer from its own copy: this is faster and works without a leader, but may be out of date.
    public var serializable = false
    /// Leaves out the values; etcd 3.7 and later also leave out the leases, so that ``KeyValue/lease`` is nil for all
    /// keys, unless they are sorted by value.
    public var keysOnly = false
    /// Returns only the number of entries.
    public var countOnly = false
    /// Leaves out entries last changed before this revision.
    public var minModRevision: Revision?
    /// Leaves out entries last changed after this revision.
    public var maxModRevision: Revision?
    /// Leaves out entries created before this revision.
    public var minCreateRevision: Revision?
    /// Leaves out entries created after this revision.
    public var maxCreateRevision: Revision?

    /// Makes options that read all of the range, with values, at the newest revision.
    public init() {}

    /// An order of entries.
    public struct Sort: Sendable, Hashable {
        /// The property by which entries are ordered.
        public enum Target: Sendable, Hashable, CaseIterable {
            /// The key.
            case key
            /// The number of puts since the key was created.
            case version
            /// The revision in which the key was created.
            case createRevision
            /// The revision of the last change.
            case modRevision
            /// The value.
            case value
        }

        let target: Target
        let isDescending: Bool

        /// From the lowest to the highest.
        ///
        /// - Parameter target: The property to order by.
        /// - Returns: The order.
        public static func ascending(by target: Target) -> Sort { Sort(target: target, isDescending: false) }

        /// From the highest to the lowest.
        ///
        /// - Parameter target: The property to order by.
        /// - Returns: The order.
        public static func descending(by target: Target) -> Sort { Sort(target: target, isDescending: true) }
    }
}
