// SPDX-License-Identifier: Apache-2.0

/// The answer to the reading of a range.
public struct RangeResponse: Sendable, Hashable {
    /// The member that answered, and the store's revision.
    public internal(set) var header = ResponseHeader()
    /// The entries.
    public package(set) var entries: [KeyValue] = []
    /// The limit has cut entries off.
    public package(set) var more = false
    /// How many entries the range holds in all, without regard to the limit.
    public internal(set) var count: Int64 = 0

    init() {}
}

/// The answer to a put.
public struct PutResponse: Sendable, Hashable {
    /// The member that answered, and the store's revision.
    public internal(set) var header = ResponseHeader()
    /// The entry before the put, where it was asked for and there was one.
    public internal(set) var previous: KeyValue?

    init() {}
}

/// The answer to a deletion.
public struct DeleteResponse: Sendable, Hashable {
    /// The member that answered, and the store's revision.
    public internal(set) var header = ResponseHeader()
    /// How many entries were deleted.
    public internal(set) var deleted: Int64 = 0
    /// The deleted entries, where they were asked for.
    public internal(set) var previous: [KeyValue] = []

    init() {}
}
