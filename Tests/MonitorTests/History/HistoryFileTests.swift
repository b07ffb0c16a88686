// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct HistoryFileTests {
    private let now = Date(timeIntervalSince1970: 1_790_000_000)

    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("history-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder.path)
    }

    private func append(_ text: String, to path: String) throws {
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data(text.utf8))
        try handle.close()
    }

    private func restored(_ file: HistoryFile) throws -> (values: [Double], damaged: Int) {
        var history = MetricsHistory()
        let damaged = try file.restore(into: &history, now: now)
        let points = history.points(of: "a", from: .distantPast, to: now, step: .seconds(1))
        return (points.map(\.mean), damaged)
    }

    @Test func `Appended entries are read back after a restart`() throws {
        try withFolder { folder in
            let file = HistoryFile(path: "\(folder)/history.jsonl")
            #expect(try restored(file) == ([], 0))
            for index in 0..<10 {
                try file.append([
                    HistoryEntry(["a": Double(index), "m/1\"": 0.5, "b": .nan], at: now - Double(10 - index))
                ])
            }
            #expect(try restored(file) == ((0..<10).map(Double.init), 0))
            let text = try String(contentsOfFile: file.path, encoding: .utf8)
            #expect(text.split(separator: "\n").first == #"{"time":1789999990,"values":{"a":0,"m/1\"":0.5}}"#)
            #expect(text.hasSuffix("\n"))
        }
    }

    @Test func `Entries older than the history are not read back`() throws {
        try withFolder { folder in
            let file = HistoryFile(path: "\(folder)/history.jsonl")
            try file.append([HistoryEntry(["a": 1], at: now - 8 * 86_400)])
            try file.append([HistoryEntry(["a": 2], at: now - 6 * 86_400)])
            #expect(try restored(file).values == [2])
        }
    }

    @Test func `Files are rotated by size, and the oldest is deleted`() throws {
        try withFolder { folder in
            let file = HistoryFile(path: "\(folder)/history.jsonl", maximumBytes: 400, maximumFiles: 3)
            for index in 0..<60 { try file.append([HistoryEntry(["a": Double(index)], at: now - Double(60 - index))]) }
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == [
                    "history.jsonl", "history.jsonl.1", "history.jsonl.2",
                ]
            )
            for name in ["history.jsonl", "history.jsonl.1", "history.jsonl.2"] {
                let data = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))
                #expect((1...400).contains(data.count))
                #expect(data.first == UInt8(ascii: "{"))
            }
            let values = try restored(file).values
            #expect(values.count > 20)
            #expect(values == (60 - values.count..<60).map(Double.init))
        }
    }

    @Test func `One file is enough, if only one is allowed`() throws {
        try withFolder { folder in
            let file = HistoryFile(path: "\(folder)/history.jsonl", maximumBytes: 100, maximumFiles: 1)
            for index in 0..<10 { try file.append([HistoryEntry(["a": Double(index)], at: now - Double(10 - index))]) }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["history.jsonl"])
            #expect(try restored(file).values.last == 9)
        }
    }

    @Test func `Damaged lines are skipped and counted`() throws {
        try withFolder { folder in
            let file = HistoryFile(path: "\(folder)/history.jsonl")
            try file.append([HistoryEntry(["a": 1], at: now - 5)])
            try append("nonsense\n\n{\"time\":\"x\",\"values\":{}}\n{\"time\":1}\n\u{0}\n", to: file.path)
            try append(String(repeating: "x", count: HistoryFile.maximumLineLength * 2 + 5) + "\n", to: file.path)
            try file.append([HistoryEntry(["a": 2], at: now - 4)])
            #expect(try restored(file) == ([1, 2], 5))
            for values in [
                "{\"a\":9}}x", "{\"a\":}}", "{\"a\":9", "{\"a\":nan}}", "{a:9}}", "{\"a\"9}}", "{",
            ] {
                try append("{\"time\":1789999997,\"values\":\(values)\n", to: file.path)
            }
            #expect(try restored(file) == ([1, 2], 12))
            // Spaces and another order are JSON, too.
            try append("{ \"values\": {\"a\": 3}, \"time\": 1789999998 }\n", to: file.path)
            #expect(try restored(file) == ([1, 2, 3], 12))
        }
    }

    @Test func `An incomplete last line does not damage the next one`() throws {
        try withFolder { folder in
            let file = HistoryFile(path: "\(folder)/history.jsonl")
            try file.append([HistoryEntry(["a": 1], at: now - 5)])
            try append("{\"time\":17899999", to: file.path)
            #expect(try restored(file) == ([1], 1))
            try file.append([HistoryEntry(["a": 2], at: now - 4)])
            try file.append([HistoryEntry(["a": 3], at: now - 3)])
            #expect(try restored(file) == ([1, 2, 3], 1))
        }
    }

    @Test func `A failed write is an error with the path, and the next append works again`() throws {
        try withFolder { folder in
            let file = HistoryFile(path: "\(folder)/deeper/history.jsonl")
            let missing = try #require(throws: HistorySinkError.self) {
                try file.append([HistoryEntry(["a": 1], at: now - 2)])
            }
            #expect(missing.message.hasPrefix(file.path))
            #expect(missing.message.contains("No such file"))
            try FileManager.default.createDirectory(atPath: file.path, withIntermediateDirectories: true)
            let directory = try #require(throws: HistorySinkError.self) {
                try file.append([HistoryEntry(["a": 1], at: now - 2)])
            }
            #expect(directory.description.contains("irectory"))
            #expect(throws: HistorySinkError.self) { try restored(file) }
            try FileManager.default.removeItem(atPath: file.path)
            try file.append([HistoryEntry(["a": 1], at: now - 2)])
            #expect(try restored(file).values == [1])
        }
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full"), "there is no /dev/full"))
    func `A full disk is an error`() throws {
        #expect(throws: HistorySinkError.self) {
            try HistoryFile(path: "/dev/full").append([HistoryEntry(["a": 1], at: now)])
        }
    }
}
