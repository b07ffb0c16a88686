// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The figures of one poll, as a line of a ``HistoryFile``.
struct HistoryEntry: Codable {
    /// In seconds since 1970.
    var time: Double
    var values: [String: Double]
}

extension HistoryEntry {
    /// Makes an entry; values that are not finite are left out.
    init(_ values: [String: Double], at time: Date) {
        self.init(time: time.timeIntervalSince1970, values: values.filter(\.value.isFinite))
    }

    /// Parses a line; nil if it is damaged.
    ///
    /// A line in the written form is parsed much faster than with Foundation, because a monitor may read a hundred
    /// thousand lines at its start.
    init?(line: [UInt8]) {
        var reader = Reader(bytes: line[...])
        guard let entry = reader.entry() ?? (try? JSONDecoder().decode(HistoryEntry.self, from: Data(line))) else {
            return nil
        }
        self = entry
    }

    private struct Reader {
        var bytes: ArraySlice<UInt8>

        mutating func entry() -> HistoryEntry? {
            guard take("{\"time\":"), let time = number(), take(",\"values\":{") else { return nil }
            var entry = HistoryEntry(time: time, values: [:])
            while !take("}}") {
                guard entry.values.isEmpty || take(","), take("\""), let name = string(), take("\":"),
                    let value = number()
                else { return nil }
                entry.values[name] = value
            }
            return bytes.isEmpty ? entry : nil
        }

        private mutating func take(_ text: StaticString) -> Bool {
            let text = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
            guard bytes.starts(with: text) else { return false }
            bytes.removeFirst(text.count)
            return true
        }

        /// The text before the next quote; nil if it contains escapes.
        private mutating func string() -> String? {
            guard let end = bytes.firstIndex(of: UInt8(ascii: "\"")) else { return nil }
            defer { bytes = bytes[end...] }
            return bytes[..<end].contains(UInt8(ascii: "\\")) ? nil : String(decoding: bytes[..<end], as: UTF8.self)
        }

        private mutating func number() -> Double? {
            let end = bytes.firstIndex { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "}") } ?? bytes.endIndex
            defer { bytes = bytes[end...] }
            return Double(String(decoding: bytes[..<end], as: UTF8.self)).flatMap { $0.isFinite ? $0 : nil }
        }
    }
}
