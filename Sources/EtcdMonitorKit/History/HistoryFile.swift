// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// A history on disk, with a line of JSON for each poll: `{"time":1790000000.25,"values":{…}}`.
///
/// A file that would become too large is renamed to `PATH.1`, which becomes `PATH.2`, and so on. The file is not kept
/// open between writes, so a disk error lasts no longer than its cause.
struct HistoryFile: HistorySink {
    /// The longest line.
    ///
    /// Of longer lines, at most this much and a chunk is in memory.
    static let maximumLineLength = 1 << 20

    let name = "file"
    let flushInterval = Duration.zero
    let path: String
    let maximumBytes: Int
    let maximumFiles: Int

    /// Makes a history at a path.
    ///
    /// - Parameters:
    ///   - path: Its path; the folder must exist.
    ///   - maximumBytes: The largest size of a file, unless one line is longer.
    ///   - maximumFiles: The largest number of files, including the current one.
    init(path: String, maximumBytes: Int = 64 << 20, maximumFiles: Int = 4) {
        self.path = path
        self.maximumBytes = maximumBytes
        self.maximumFiles = max(1, maximumFiles)
    }

    /// Appends the figures of polls, on a thread that may block.
    func write(_ snapshots: [MonitorSnapshot]) async throws(HistorySinkError) {
        let entries = snapshots.map { HistoryEntry($0.history, at: $0.time) }
        let outcome = await offload {
            Result { () throws(HistorySinkError) in try append(entries) }
        }
        guard let outcome else { throw HistorySinkError("\(path): the disk takes too long") }
        try outcome.get()
    }

    /// Appends a line for each entry.
    func append(_ entries: [HistoryEntry]) throws(HistorySinkError) {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            var lines = Data()
            for entry in entries { lines += try encoder.encode(entry) + Data("\n".utf8) }

            var file = try open(O_RDWR | O_CREAT | O_APPEND)
            var size = try file.seekToEnd()
            if size > 0, size + UInt64(lines.count) > UInt64(max(0, maximumBytes)) {
                try file.close()
                try rotate()
                file = try open(O_RDWR | O_CREAT | O_APPEND)
                size = 0
            }
            // A write to a full disk may have left an incomplete line.
            if size > 0 {
                try file.seek(toOffset: size - 1)
                if try file.read(upToCount: 1) != Data("\n".utf8) { try file.write(contentsOf: Data("\n".utf8)) }
            }
            try file.write(contentsOf: lines)
            try file.close()
        } catch {
            throw failure(error)
        }
    }

    /// Restores the entries of the files that are recent enough for a history.
    ///
    /// - Returns: The number of damaged lines, which were skipped.
    func restore(into history: inout MetricsHistory, now: Date) throws(HistorySinkError) -> Int {
        let oldest = now.timeIntervalSince1970 - history.retentionSeconds
        var damaged = 0
        var last = -Double.infinity
        for number in (0..<maximumFiles).reversed() {
            let name = name(number)
            guard FileManager.default.fileExists(atPath: name) else { continue }
            do {
                try forEachLine(of: name) { line in
                    guard let line, let entry = HistoryEntry(line: line) else {
                        damaged += 1
                        return
                    }
                    // A partly written entry was written again.
                    if entry.time == last { return }
                    last = entry.time
                    if entry.time >= oldest { history.add(entry.values, at: Date(timeIntervalSince1970: entry.time)) }
                }
            } catch {
                throw failure(error)
            }
        }
        return damaged
    }

    /// Reads the lines of a file; nil stands for a line that is too long.
    private func forEachLine(of name: String, _ body: ([UInt8]?) -> Void) throws {
        let file = try open(O_RDONLY, name)
        var line: [UInt8] = []
        var isTooLong = false
        func finish() {
            if isTooLong || !line.isEmpty { body(isTooLong ? nil : line) }
            line.removeAll(keepingCapacity: true)
            isTooLong = false
        }
        while let chunk = try file.read(upToCount: 1 << 16), !chunk.isEmpty {
            var rest = Array(chunk)[...]
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                line += rest[..<end]
                finish()
                rest = rest[(end + 1)...]
            }
            line += rest
            if line.count > Self.maximumLineLength {
                isTooLong = true
                line.removeAll(keepingCapacity: true)
            }
        }
        finish()
        try file.close()
    }

    private func rotate() throws {
        try? FileManager.default.removeItem(atPath: name(maximumFiles - 1))
        for number in (0..<maximumFiles - 1).reversed() where FileManager.default.fileExists(atPath: name(number)) {
            try FileManager.default.moveItem(atPath: name(number), toPath: name(number + 1))
        }
    }

    private func name(_ number: Int) -> String {
        number == 0 ? path : "\(path).\(number)"
    }

    private func open(_ flags: Int32, _ name: String? = nil) throws(HistorySinkError) -> FileHandle {
        let name = name ?? path
        let descriptor = Foundation.open(name, flags | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw HistorySinkError("\(name): \(String(cString: strerror(errno)))") }
        return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    private func failure(_ error: any Error) -> HistorySinkError {
        error as? HistorySinkError ?? HistorySinkError("\(path): \(error)")
    }
}
