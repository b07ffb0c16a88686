// SPDX-License-Identifier: Apache-2.0

/// The answer to a range request.
public struct RangeResponse: Sendable, Hashable, CustomStringConvertible {
    /// The member that answered, and the store's revision.
    public var header = ResponseHeader()
    /// The entries.
    public var entries: [KeyValue] = []
    /// There are more entries than the limit.
    public var more = false
    /// How many entries the range holds in all, without regard to the limit.
    public var count: Int64 = 0

    init() {}

    /// Makes the answer to a range request without a limit.
    ///
    /// - Parameters:
    ///   - entries: The entries, which are all that the range holds.
    ///   - revision: The store's revision.
    public init(_ entries: [KeyValue], at revision: Revision) {
        header.revision = revision
        self.entries = entries
        count = Int64(entries.count)
    }

    /// The number of entries and the revision.
    public var description: String { "\(entries.count) of \(count) entries at revision \(header.revision)" }
}

/// The answer to a put.
public struct PutResponse: Sendable, Hashable, CustomStringConvertible {
    /// The member that answered, and the store's revision.
    public var header = ResponseHeader()
    /// The entry before the put, where it was asked for and there was one.
    public var previous: KeyValue?

    init() {}

    /// Makes the answer to a put.
    ///
    /// - Parameters:
    ///   - revision: The revision of the put.
    ///   - previous: The entry before the put; nil if it was not asked for, or there was none.
    public init(at revision: Revision, previous: KeyValue? = nil) {
        header.revision = revision
        self.previous = previous
    }

    /// The revision, and the entry before the put.
    public var description: String {
        "put at revision \(header.revision)\(previous.map { ", before: \($0)" } ?? "")"
    }
}

/// The answer to a deletion.
public struct DeleteResponse: Sendable, Hashable, CustomStringConvertible {
    /// The member that answered, and the store's revision.
    public var header = ResponseHeader()
    /// How many entries were deleted.
    public var deleted: Int64 = 0
    /// The deleted entries, where they were asked for.
    public var previous: [KeyValue] = []

    init() {}

    /// Makes the answer to a deletion.
    ///
    /// - Parameters:
    ///   - deleted: How many entries were deleted.
    ///   - revision: The store's revision.
    ///   - previous: The deleted entries; none if they were not asked for.
    public init(deleted: Int64, at revision: Revision, previous: [KeyValue] = []) {
        header.revision = revision
        self.deleted = deleted
        self.previous = previous
    }

    /// The number of entries and the revision.
    public var description: String { "\(deleted) deleted at revision \(header.revision)" }
}
