// SPDX-License-Identifier: Apache-2.0

/// A file that is only there when it is complete: if it was not finished, nothing is left of it.
package final class SnapshotFile {
    private let target: String
    /// Where the bytes are before the file has its name.
    private let location: String
    private let descriptor: Int32
    /// The folder, opened before anything is done in it.
    private let folder: Int32
    /// The file has its name, so that it must not be removed.
    private var isNamed = false

    /// Saves a snapshot at `path`; all of this blocks its thread.
    @concurrent
    static func save(
        _ chunks: SnapshotSequence,
        _ path: String,
        _ replacing: Bool,
        _ onProgress: @Sendable (SnapshotProgress) -> Void
    ) async throws(EtcdError) -> SnapshotProgress {
        if !replacing, Platform.exists(path) { throw exists(path) }
        let file = try SnapshotFile(path)
        var progress = SnapshotProgress()
        var iterator = chunks.makeAsyncIterator()
        while let chunk = try await iterator.next() {
            try file.write(chunk.bytes)
            progress = chunk.progress
            onProgress(progress)
        }
        if Task.isCancelled { throw EtcdError.cancelledTask }
        try file.finish(replacing)
        return progress
    }

    /// Replaces the file at `path` by one of `bytes`, and makes sure by `synchronizeFolder` that its name is on the disk;
    /// blocks its thread.
    package static func replace(
        _ path: String,
        with bytes: [UInt8],
        synchronizeFolder: (Int32) throws(SystemError) -> Void = Platform.synchronize(folder:)
    ) throws(EtcdError) {
        let file = try SnapshotFile(path)
        try file.write(bytes)
        try file.finish(true, synchronizeFolder)
    }

    private init(_ path: String) throws(EtcdError) {
        target = path
        location = "\(path).\(String(UInt64.random(in: .min ... .max), radix: 36)).part"
        do {
            folder = try Platform.openFolder(path.lastIndex(of: "/").map { String(path[...$0]) } ?? ".")
        } catch {
            throw Self.failure(path, error)
        }
        do {
            descriptor = try Platform.createFile(location)
        } catch {
            Platform.close(folder)
            throw Self.failure(path, error)
        }
    }

    deinit {
        if !isNamed { Platform.remove(location) }
        Platform.close(descriptor)
        Platform.close(folder)
    }

    private func write(_ bytes: [UInt8]) throws(EtcdError) {
        try perform { () throws(SystemError) in try Platform.writeAll(bytes, to: descriptor) }
    }

    /// Gives the file its name, once its bytes are on the disk.
    private func finish(
        _ replacing: Bool,
        _ synchronizeFolder: (Int32) throws(SystemError) -> Void = Platform.synchronize(folder:)
    ) throws(EtcdError) {
        let isMoved = try perform { () throws(SystemError) in
            try Platform.synchronize(descriptor)
            return try Platform.move(location, to: target, replacing: replacing)
        }
        if !isMoved { throw Self.exists(target) }
        isNamed = true
        try perform { () throws(SystemError) in try synchronizeFolder(folder) }
    }

    private func perform<Result>(_ action: () throws(SystemError) -> Result) throws(EtcdError) -> Result {
        do {
            return try action()
        } catch {
            throw Self.failure(target, error)
        }
    }

    private static func failure(_ path: String, _ error: SystemError) -> EtcdError {
        EtcdError(.fileNotWritten, "\(path): \(error.reason)", cause: error)
    }

    private static func exists(_ path: String) -> EtcdError {
        EtcdError(.fileExists, "there is a file \(path)")
    }
}
