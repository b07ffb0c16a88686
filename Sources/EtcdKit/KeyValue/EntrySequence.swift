// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// The entries in a range of any size, in the order of their keys and all at one revision, read page by page.
    ///
    /// ```swift
    /// for try await user in client.entries(in: .prefix("users/")) { print(user.key) }
    /// ```
    ///
    /// Each iteration reads at the revision of its first page. If that revision is compacted before the end, it throws
    /// `compacted`. From etcd 3.7 on, the entries after the first page are streamed, no faster than they are consumed.
    ///
    /// - Parameters:
    ///   - range: The keys.
    ///   - pageSize: How many entries one request reads, at least 1; nil for about a megabyte of them, 1,000 entries at
    ///     first and 10,000 at most.
    ///   - options: How to read the entries. `limit` holds for all pages together; `sort` and `countOnly` do not
    ///     apply.
    /// - Returns: A sequence that reads when it is iterated.
    public func entries(
        in range: KeyRange,
        pageSize: Int? = nil,
        options: RangeOptions = RangeOptions()
    ) -> EntrySequence {
        EntrySequence(client: self, range: range, pageSize: pageSize.map { max($0, 1) }, options: options)
    }
}

/// The entries in a range, read page by page at one revision.
public struct EntrySequence: AsyncSequence, Sendable {
    fileprivate let client: EtcdClient
    fileprivate let range: KeyRange
    fileprivate let pageSize: Int?
    fileprivate let options: RangeOptions

    /// Starts an iteration; nothing is read before its first `next()`.
    public func makeAsyncIterator() -> Iterator { Iterator(self) }

    /// An iteration over the entries.
    public struct Iterator: AsyncIteratorProtocol {
        private let sequence: EntrySequence
        private var pageSize: Int
        private var options: RangeOptions
        private var isFirst = true
        private var page: ArraySlice<KeyValue> = []
        /// The range that has not been read yet; nil at the end.
        private var rest: KeyRange?
        private var remaining: Int
        /// The stream of the entries after the first page, where the server has streams.
        private var stream: ResponseStream<Wire.RangeRequest, Wire.RangeStreamResponse>?

        fileprivate init(_ sequence: EntrySequence) {
            self.sequence = sequence
            pageSize = sequence.pageSize ?? 1000
            options = sequence.options
            options.sort = nil
            options.countOnly = false
            rest = sequence.range
            remaining = sequence.options.limit ?? .max
        }

        /// The next element; see `next(isolation:)`.
        public mutating func next() async throws(EtcdError) -> KeyValue? { try await next(isolation: nil) }

        /// The next entry, or nil at the end.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: The entry.
        /// - Throws: ``EtcdError``, among its codes `compacted`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> KeyValue? {
            while true {
                if let entry = page.popFirst() { return entry }
                guard let range = rest, remaining > 0 else { return nil }
                if let part = try await nextStreamed(of: range) {
                    take(part, of: range)
                    continue
                }
                let response = try await nextPage(of: range)
                options.revision = options.revision ?? response.header.revision
                isFirst = false
                take(response.entries, of: range)
                if !response.more || range.singleKey != nil {
                    rest = nil
                } else if sequence.pageSize == nil {
                    fitPageSize(to: response.entries)
                }
            }
        }

        private mutating func take(_ entries: [KeyValue], of range: KeyRange) {
            page = entries[...]
            remaining -= entries.count
            rest = entries.last.map { range.from($0.key.successor) }
        }

        /// Lets the next page hold about a megabyte, if its entries are like these.
        ///
        /// etcd counts all entries that follow a page, so few large pages cost it much less than many small ones.
        private mutating func fitPageSize(to entries: [KeyValue]) {
            let bytes = entries.reduce(0) { $0 + $1.key.bytes.count + $1.value.bytes.count }
            let fitting = entries.count * 1_000_000 / Swift.max(bytes, 1)
            pageSize = Swift.max(1, Swift.min(fitting, pageSize * 2, 10_000))
        }

        /// A page; it and the following pages are smaller if the entries are too large for a message.
        private mutating func nextPage(of range: KeyRange) async throws(EtcdError) -> RangeResponse {
            while true {
                options.limit = Swift.min(pageSize, remaining)
                do throws(EtcdError) {
                    return try await sequence.client.range(range, options: options)
                } catch {
                    guard error.code == .responseTooLarge, pageSize > 1 else { throw error }
                    pageSize /= 2
                }
            }
        }

        /// More entries from the stream, none at its end; nil if they should be read as a page.
        private mutating func nextStreamed(of range: KeyRange) async throws(EtcdError) -> [KeyValue]? {
            let method = options.serializable ? Wire.rangeStream.serializable : Wire.rangeStream
            let client = sequence.client
            let channel = client.core.channel
            let incapable = channel.missingMethods.endpoints(without: method.path)
            if isFirst || !options.isStreamable { return nil }
            if stream == nil, !incapable.isEmpty, !channel.hasLink(avoiding: incapable) { return nil }
            do throws(EtcdError) {
                if stream == nil {
                    options.limit = sequence.options.limit == nil ? nil : remaining
                    stream = try await client.stream(method, Wire.RangeRequest(range, options), avoiding: incapable)
                }
                while let part = try await stream?.next(within: client.timeout)?.part {
                    if !part.entries.isEmpty { return part.entries }
                }
                return []
            } catch {
                stream = nil
                if error.code.leavesRestToPages { return nil }
                throw error
            }
        }
    }
}

extension EtcdError.Code {
    /// A stream of entries that ends with this code is replaced by a page, after which there is a stream again: the
    /// page is read with a new token, at another endpoint, or in a smaller message.
    fileprivate var leavesRestToPages: Bool {
        isTransient || meansTokenIsRejected || self == .unimplemented || self == .responseTooLarge
    }
}

extension RangeOptions {
    /// The server can stream the entries: it filters none of them by their revisions.
    fileprivate var isStreamable: Bool {
        [minModRevision, maxModRevision, minCreateRevision, maxCreateRevision].allSatisfy { $0 == nil }
    }
}
