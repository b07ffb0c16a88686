// SPDX-License-Identifier: Apache-2.0

/// A transaction in progress, which ``EtcdClient/atomically(_:_:)`` passes to its closure.
///
/// Each key or range is read from etcd once. Writes are buffered until the closure has returned; reads see them.
public struct AtomicTransaction: Sendable {
    private let client: EtcdClient
    private let options: AtomicOptions
    private let prefetched: AtomicView?
    private var reads = AtomicReads()
    /// The revision of all reads, where the isolation wants one; nil before the first.
    private var revision: Revision?
    /// The writes of the commit.
    private var writes: [Key: Write] = [:]
    /// The attempt cannot succeed, so it is repeated whatever the closure returns or throws.
    private(set) var isDoomed = false

    private enum Write: Sendable {
        case put(Value, Lease.ID?)
        case delete

        /// The entry as it is after the write, as far as it is known.
        func entry(_ key: Key) -> KeyValue? {
            guard case .put(let value, let lease) = self else { return nil }
            var entry = KeyValue()
            entry.key = key
            entry.value = value
            entry.leaseID = lease?.rawValue ?? 0
            return entry
        }

        func operation(_ key: Key) -> TransactionOperation {
            switch self {
            case .put(let value, let lease): .put(key, value, lease: lease)
            case .delete: .delete(key)
            }
        }
    }

    init(_ client: EtcdClient, _ options: AtomicOptions, _ prefetched: AtomicView?) {
        self.client = client
        self.options = options
        self.prefetched = prefetched
        if options.isolation.readsOneRevision { revision = prefetched?.revision }
    }

    // MARK: Reading

    /// Reads the entry under `key`.
    ///
    /// - Parameter key: The key.
    /// - Returns: The entry, or nil if the key does not exist. One that this transaction has put has the revisions and the
    ///   version 0.
    /// - Throws: ``EtcdError``. Let it pass: an attempt that cannot succeed any more ends by throwing, and is repeated.
    public mutating func get(_ key: Key) async throws(EtcdError) -> KeyValue? {
        if let write = writes[key] { return write.entry(key) }
        return try await read(.key(key)).first
    }

    /// Reads the entries in `range`.
    ///
    /// Each entry is a condition of the commit, which can have 128 conditions with etcd's default settings. A
    /// transaction that only reads at one revision has no conditions, so it may read any number.
    ///
    /// - Parameter range: The keys.
    /// - Returns: The entries in the order of their keys. Those that this transaction has put have the revisions and the
    ///   version 0.
    /// - Throws: ``EtcdError``. Let it pass: an attempt that cannot succeed any more ends by throwing, and is repeated.
    public mutating func range(_ range: KeyRange) async throws(EtcdError) -> [KeyValue] {
        let entries = try await read(range)
        let written = writes.filter { range.contains($0.key) }
        if written.isEmpty { return entries }
        return (entries.filter { written[$0.key] == nil } + written.compactMap { $1.entry($0) })
            .sorted { $0.key < $1.key }
    }

    private mutating func read(_ range: KeyRange) async throws(EtcdError) -> [KeyValue] {
        if let known = reads[range] ?? prefetched?.entries[range] { return try note(known, in: range) }
        var request = RangeOptions()
        request.revision = revision
        request.serializable = !options.isolation.readsOneRevision
        let response: RangeResponse
        do throws(EtcdError) {
            response = try await client.range(range, options: request)
        } catch {
            // The revision is gone, but there are newer ones.
            if error.code == .compacted, revision != nil { isDoomed = true }
            throw error
        }
        if options.isolation.readsOneRevision, revision == nil { revision = response.header.revision }
        return try note(response.entries, in: range)
    }

    private mutating func note(_ entries: [KeyValue], in range: KeyRange) throws(EtcdError) -> [KeyValue] {
        guard reads.note(entries, in: range) || options.isolation == .readCommitted else {
            isDoomed = true
            throw EtcdError(.transactionConflict, "the entries that the transaction has read in \(range) have changed")
        }
        return entries
    }

    // MARK: Writing

    /// Puts `value` under `key` when the transaction commits.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - value: Its new value.
    ///   - lease: The lease to attach the key to; nil for none.
    public mutating func put(_ key: Key, _ value: Value, lease: Lease.ID? = nil) {
        writes[key] = .put(value, lease)
    }

    /// Deletes `key` when the transaction commits.
    ///
    /// - Parameter key: The key; it need not exist.
    public mutating func delete(_ key: Key) {
        writes[key] = .delete
    }

    // MARK: Committing

    /// How an attempt ended.
    enum Outcome {
        /// In this revision; nil if there was nothing to write.
        case committed(Revision?)
        /// Entries that were read have changed; this is how they are now.
        case conflict(AtomicView)
    }

    /// The ranges that were read.
    var readRanges: [KeyRange] { Array(reads.entries.keys) }

    /// Commits the writes, if nothing that was read has changed.
    func commit() async throws(EtcdError) -> Outcome {
        let conditions = reads.conditions(
            isolation: options.isolation,
            at: reads.isEmpty ? nil : revision,
            writtenKeys: writes.keys.sorted()
        )
        // Reads at one revision without a write need no commit.
        if writes.isEmpty && (conditions.isEmpty || options.isolation.readsOneRevision) { return .committed(nil) }
        let operations = writes.sorted { $0.key < $1.key }.map { $1.operation($0) }
        let ranges = conditions.isEmpty ? [] : Array(readRanges.prefix(options.maximumOperations))
        try checkLimits(conditions, operations, ranges)
        let response = try await client.transaction(
            if: conditions,
            then: operations,
            else: ranges.map { .range($0) }
        )
        if response.succeeded { return .committed(response.header.revision) }
        return .conflict(AtomicView(response, of: ranges))
    }

    private func checkLimits(
        _ conditions: [Compare],
        _ operations: [TransactionOperation],
        _ ranges: [KeyRange]
    ) throws(EtcdError) {
        let limit = options.maximumOperations
        if max(conditions.count, operations.count) > limit {
            throw EtcdError(
                .tooManyOperations,
                "the transaction has \(conditions.count) conditions, one for each entry that it has read, and "
                    + "\(operations.count) writes; the limit is \(limit) of each (AtomicOptions.maximumOperations)"
            )
        }
        var request = Wire.TxnRequest(conditions, operations, ranges.map { .range($0) })
        if let scope = client.scope { try request.enter(scope) }
        var bytes: [UInt8] = []
        ProtobufEncoder.encode(request, into: &bytes)
        if bytes.count + Self.serverOverhead > options.maximumRequestSize {
            throw EtcdError(
                .requestTooLarge,
                "the transaction takes \(bytes.count) bytes, and etcd adds \(Self.serverOverhead); the limit is "
                    + "\(options.maximumRequestSize) (AtomicOptions.maximumRequestSize). Its largest write is "
                    + "\(largestWrite)"
            )
        }
    }

    /// The largest value of the commit, in words.
    private var largestWrite: String {
        let sizes = writes.compactMap { (key, write) -> (key: Key, count: Int)? in
            if case .put(let value, _) = write { (key: key, count: value.bytes.count) } else { nil }
        }
        return sizes.max { $0.count < $1.count }.map { "key \($0.key) with \($0.count) bytes" } ?? "a deletion"
    }

    /// The most that etcd adds to a request before it checks the size, in bytes: numbers and the name of the user.
    private static let serverOverhead = 512
}

/// Ranges as they all were at one revision.
struct AtomicView: Sendable {
    let revision: Revision
    let entries: [KeyRange: [KeyValue]]

    /// The view in the answer to a transaction that has read `ranges`, and nothing else.
    init(_ response: TransactionResponse, of ranges: [KeyRange]) {
        revision = response.header.revision
        entries = Dictionary(zip(ranges, response.results.map(\.entries))) { $1 }
    }
}
