// SPDX-License-Identifier: Apache-2.0

/// A part of a snapshot.
public struct SnapshotChunk: Sendable, Hashable {
    /// Its bytes, 32 KiB at most of an etcd.
    public let bytes: [UInt8]
    /// How far the snapshot has come with it.
    public let progress: SnapshotProgress

    /// Makes a part.
    public init(bytes: [UInt8], progress: SnapshotProgress) {
        self.bytes = bytes
        self.progress = progress
    }
}

/// A snapshot of a member's database, part by part; see ``Maintenance/snapshotChunks(from:)``.
public struct SnapshotSequence: AsyncSequence, Sendable {
    let client: EtcdClient
    let endpoint: Endpoint

    /// Starts an iteration; the snapshot is taken at its first `next()`.
    public func makeAsyncIterator() -> Iterator { Iterator(sequence: self) }

    /// An iteration over the parts, which the member sends no faster than they are consumed.
    public struct Iterator: AsyncIteratorProtocol {
        private let sequence: SnapshotSequence
        private var stream: ResponseStream<Wire.EmptyRequest, Wire.SnapshotResponse>?
        private var progress = SnapshotProgress()
        private let digest = SnapshotDigest()

        fileprivate init(sequence: SnapshotSequence) { self.sequence = sequence }

        /// The next element; see `next(isolation:)`.
        public mutating func next() async throws(EtcdError) -> SnapshotChunk? { try await next(isolation: nil) }

        /// The next part, or nil when the snapshot is complete and agrees with its digest.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: A part.
        /// - Throws: ``EtcdError``, among its codes `snapshotDamaged`, `unavailable`, `deadlineExceeded` and `cancelled`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> SnapshotChunk? {
            let client = sequence.client
            if stream == nil {
                stream = try await client.stream(Wire.snapshot, Wire.EmptyRequest(), at: sequence.endpoint)
            }
            guard let response = try await stream?.next(within: client.timeout) else {
                if digest.agrees { return nil }
                throw EtcdError(.snapshotDamaged, "the snapshot does not agree with its digest [\(sequence.endpoint)]")
            }
            digest.append(response.blob)
            progress.bytesReceived += Int64(response.blob.count)
            if progress.bytesTotal == 0 {
                // The member counts the bytes of the database without the digest that follows them.
                let present = UInt64(clamping: progress.bytesReceived) + UInt64(SHA256.digestLength)
                let total = response.remainingBytes.addingReportingOverflow(present)
                progress.bytesTotal = total.overflow ? .max : Int64(clamping: total.partialValue)
            }
            return SnapshotChunk(bytes: response.blob, progress: progress)
        }
    }
}

/// Checks that the last 32 bytes of a snapshot are the SHA-256 digest of all before.
private final class SnapshotDigest {
    private let sum = SHA256()
    /// The last bytes so far, which may be the digest.
    private var tail: [UInt8] = []
    private var verdict: Bool?

    func append(_ bytes: [UInt8]) {
        tail += bytes
        let surplus = max(tail.count - SHA256.digestLength, 0)
        sum.update(tail.prefix(surplus))
        tail.removeFirst(surplus)
    }

    /// Whether the snapshot is complete and matches its digest; nothing may be appended afterwards.
    var agrees: Bool {
        let verdict = verdict ?? (sum.finish() == tail)
        self.verdict = verdict
        return verdict
    }
}
