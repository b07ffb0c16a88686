// SPDX-License-Identifier: Apache-2.0

extension Maintenance {
    /// Saves a snapshot of a member's database to a file, for the `snapshot restore` of etcdctl and etcdutl.
    ///
    /// It is written to a temporary file in the same folder, which is renamed when it is complete, matches the member's
    /// digest, and is on the disk. If anything fails before, or the task is cancelled, no file is left, and a file that
    /// was to be replaced stays. If only the new name cannot be synced to the disk, the call throws and the file is
    /// there. The file holds all keys and secrets of the cluster; only its owner may read it.
    ///
    /// - Parameters:
    ///   - endpoint: Where the member is.
    ///   - path: The file to make, in a folder that exists.
    ///   - replacing: Replaces a file that is there already.
    ///   - onProgress: Receives the progress after each part; it must not block for long.
    /// - Returns: How large the file is.
    /// - Throws: ``EtcdError``, among its codes `snapshotDamaged`, `fileExists`, `fileNotWritten`, `cancelled`, and
    ///   `deadlineExceeded` when the member is silent for longer than a call may take.
    @discardableResult
    public func snapshot(
        from endpoint: Endpoint,
        to path: String,
        replacing: Bool = false,
        onProgress: @Sendable (SnapshotProgress) -> Void = { _ in }
    ) async throws(EtcdError) -> SnapshotProgress {
        // Writing blocks, so it must not be on the loop, not even when the caller prefers to be there.
        try await withTaskExecutorPreference(globalConcurrentExecutor) { () throws(EtcdError) in
            try await SnapshotFile.save(snapshotChunks(from: endpoint), path, replacing, onProgress)
        }
    }

    /// A snapshot of a member's database in parts, to be stored anywhere.
    ///
    /// All parts, one after the other, are what ``snapshot(from:to:replacing:onProgress:)`` would write. The snapshot is
    /// good only if the iteration comes to its end without an error: an ``EtcdError``, among its codes `snapshotDamaged`,
    /// `unavailable`, `deadlineExceeded` and `cancelled`. The member sends parts no faster than they are taken.
    ///
    /// - Parameter endpoint: Where the member is.
    /// - Returns: A sequence that takes a snapshot when it is iterated.
    public func snapshotChunks(from endpoint: Endpoint) -> SnapshotSequence {
        SnapshotSequence {
            var stream: ResponseStream<Wire.EmptyRequest, Wire.SnapshotResponse>?
            var progress = SnapshotProgress()
            let digest = SnapshotDigest()
            return { () throws(EtcdError) in
                if stream == nil {
                    stream = try await client.stream(Wire.snapshot, Wire.EmptyRequest(), at: endpoint)
                }
                guard let response = try await stream?.next(within: client.timeout) else {
                    if digest.agrees { return nil }
                    throw EtcdError(.snapshotDamaged, "the snapshot does not agree with its digest [\(endpoint)]")
                }
                digest.append(response.blob)
                progress.bytesReceived += Int64(response.blob.count)
                if progress.bytesTotal == 0 {
                    // The member counts the bytes of the database, behind which the digest comes.
                    let present = UInt64(clamping: progress.bytesReceived) + UInt64(SHA256.digestLength)
                    let total = response.remainingBytes.addingReportingOverflow(present)
                    progress.bytesTotal = total.overflow ? .max : Int64(clamping: total.partialValue)
                }
                return SnapshotChunk(bytes: response.blob, progress: progress)
            }
        }
    }
}

/// The progress of a snapshot.
public struct SnapshotProgress: Sendable, Hashable, CustomStringConvertible {
    /// The bytes that have arrived.
    public var bytesReceived: Int64 = 0
    /// The size of the snapshot, as the member has announced it.
    public var bytesTotal: Int64 = 0

    /// Makes a progress without any bytes.
    public init() {}

    /// Both numbers of bytes.
    public var description: String { "\(bytesReceived) of \(bytesTotal) bytes" }
}

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
public typealias SnapshotSequence = UpdateSequence<SnapshotChunk, EtcdError>

/// Checks that the last 32 bytes of a snapshot are the SHA-256 digest of all before.
private final class SnapshotDigest {
    private let sum = SHA256()
    /// The last bytes so far, which may be the digest.
    private var tail: [UInt8] = []

    func append(_ bytes: [UInt8]) {
        tail += bytes
        let surplus = max(tail.count - SHA256.digestLength, 0)
        sum.update(tail.prefix(surplus))
        tail.removeFirst(surplus)
    }

    /// Whether all of the snapshot has come, and as it was sent; nothing may be appended afterwards.
    lazy var agrees = sum.finish() == tail
}
