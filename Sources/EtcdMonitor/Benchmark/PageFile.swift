// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import Foundation

/// A file that is written at the end of a run.
///
/// At the start, it is checked that it can be written.
///
/// An existing file stays unchanged until then.
struct PageFile {
    private let path: String
    private let handle: FileHandle
    private let isNew: Bool

    /// Opens the file.
    ///
    /// - Parameter path: The path.
    /// - Throws: ``UsageError`` if it cannot be written.
    init(_ path: String) throws(UsageError) {
        self.path = path
        isNew = !FileManager.default.fileExists(atPath: path)
        if isNew { _ = FileManager.default.createFile(atPath: path, contents: nil) }
        guard let handle = FileHandle(forWritingAtPath: path) else {
            throw UsageError("--html: \(path) cannot be written")
        }
        self.handle = handle
    }

    /// Writes the file.
    func write(_ text: String) throws {
        // A device has no length.
        try? handle.truncate(atOffset: 0)
        do {
            try handle.write(contentsOf: Data(text.utf8))
            try handle.close()
        } catch {
            throw UsageHint("--html: \(path) cannot be written: \(error.localizedDescription)")
        }
    }

    /// Removes the file if it is new.
    func discard() {
        try? handle.close()
        if isNew { try? FileManager.default.removeItem(atPath: path) }
    }
}
