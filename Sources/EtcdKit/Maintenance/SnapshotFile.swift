// SPDX-License-Identifier: Apache-2.0

/// A file that is only there when it is complete.
package struct SnapshotFile {
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
        var file = try SnapshotFile(path)
        defer { file.close() }
        do throws(EtcdError) {
            var progress = SnapshotProgress()
            var iterator = chunks.makeAsyncIterator()
            while let chunk = try await iterator.next() {
                try file.perform { () throws(SystemError) in try Platform.writeAll(chunk.bytes, to: file.descriptor) }
                progress = chunk.progress
                onProgress(progress)
            }
            if Task.isCancelled { throw EtcdError(.cancelled, "the task was cancelled") }
            try file.finish(replacing, Platform.synchronize(folder:))
            return progress
        } catch {
            file.discard()
            throw error
        }
    }

    /// Replaces the file at `path` by one of `bytes`; blocks its thread.
    package static func replace(_ path: String, with bytes: [UInt8]) throws(EtcdError) {
        try replace(path, with: bytes, synchronizeFolder: Platform.synchronize(folder:))
    }

    /// Replaces the file at `path` by one of `bytes`, and makes sure by `synchronizeFolder` that its name is on the disk.
    static func replace(
        _ path: String,
        with bytes: [UInt8],
        synchronizeFolder: (Int32) throws(SystemError) -> Void
    ) throws(EtcdError) {
        var file = try SnapshotFile(path)
        defer { file.close() }
        do throws(EtcdError) {
            try file.perform { () throws(SystemError) in try Platform.writeAll(bytes, to: file.descriptor) }
            try file.finish(true, synchronizeFolder)
        } catch {
            file.discard()
            throw error
        }
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

    private func close() {
        Platform.close(descriptor)
        Platform.close(folder)
    }

    /// Removes what was written so far.
    private func discard() {
        if !isNamed { Platform.remove(location) }
    }

    /// Gives the file its name, once its bytes are on the disk.
    private mutating func finish(
        _ replacing: Bool,
        _ synchronizeFolder: (Int32) throws(SystemError) -> Void
    ) throws(EtcdError) {
        let (location, target, descriptor) = (location, target, descriptor)
        let isMoved = try perform { () throws(SystemError) in
            try Platform.synchronize(descriptor)
            return try Platform.move(location, to: target, replacing: replacing)
        }
        if !isMoved { throw Self.exists(target) }
        isNamed = true
        let folder = folder
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
