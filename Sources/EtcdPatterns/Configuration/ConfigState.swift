// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// All values of a configuration, as they are stored outside of the plain keys.
///
/// The form is text with lengths, so that people can read it and any bytes fit: for each value a line with the lengths of
/// the key and the value in bytes, then the key, a line feed, the value and a line feed.
struct ConfigState: Sendable {
    /// The keys within the configuration, in their order, and the stored values.
    private(set) var values: [(key: Key, value: Value)] = []

    init(_ values: [Key: Value]) {
        self.values = values.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    init(_ view: ConfigView) {
        values = view.entries(under: nil).map { ($0.key, $0.value) }
    }

    // MARK: Bytes

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        for (key, value) in values {
            bytes += Array("\(key.bytes.count) \(value.bytes.count)\n".utf8)
            bytes += key.bytes + [Self.lineFeed] + value.bytes + [Self.lineFeed]
        }
        return bytes
    }

    private static let lineFeed = UInt8(ascii: "\n")

    /// Reads what ``encoded`` has made.
    init(decoding bytes: [UInt8]) throws(ConfigError) {
        var rest = bytes[...]
        /// Takes some bytes and the line feed behind them.
        func take(_ count: Int?) throws(ConfigError) -> ArraySlice<UInt8> {
            let end = count ?? rest.firstIndex(of: Self.lineFeed).map { $0 - rest.startIndex } ?? rest.count
            guard end >= 0, end < rest.count, rest[rest.startIndex + end] == Self.lineFeed else {
                throw ConfigError(.damaged, "the stored state is cut off at byte \(rest.startIndex)")
            }
            defer { rest = rest.dropFirst(end + 1) }
            return rest.prefix(end)
        }
        while !rest.isEmpty {
            let place = rest.startIndex
            let lengths = String(decoding: try take(nil), as: UTF8.self).split(separator: " ").map { Int($0) }
            guard lengths.count == 2, let keyLength = lengths[0], let valueLength = lengths[1] else {
                throw ConfigError(.damaged, "the stored state has no lengths at byte \(place)")
            }
            let key = Key(bytes: Array(try take(keyLength)))
            values.append((key, Value(bytes: Array(try take(valueLength)))))
        }
    }

    /// The SHA-256 of `bytes`, in hexadecimal digits.
    static func sum(_ bytes: [UInt8]) -> String {
        let sum = SHA256()
        sum.update(bytes[...])
        // There is no sum if no memory is left. An empty one equals no other sum.
        return (sum.finish() ?? []).map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
}

/// A state in etcd, in pieces that fit into requests: its keys and its sum.
struct StoredState: Sendable, Hashable, Codable {
    /// The ID of the state; the keys of the pieces begin with it.
    let id: String
    let pieces: Int
    let sha256: String

    /// Far below etcd's default limit of 1.5 MiB for a request.
    private static let pieceSize = 512 << 10

    func piece(_ number: Int, in folder: Key) -> Key { folder + "\(id)/\(number)" }

    /// Writes the pieces of a state.
    ///
    /// - Returns: The state, and the conditions that all its pieces are there.
    static func write(
        _ bytes: [UInt8],
        as id: String,
        in folder: Key,
        _ client: EtcdClient
    ) async throws(EtcdError) -> (StoredState, [Compare]) {
        let count = (bytes.count + pieceSize - 1) / pieceSize
        let stored = StoredState(id: id, pieces: count, sha256: ConfigState.sum(bytes))
        var conditions: [Compare] = []
        for number in 0..<count {
            let piece = Value(bytes: Array(bytes.dropFirst(number * pieceSize).prefix(pieceSize)))
            let key = stored.piece(number, in: folder)
            let revision = try await client.put(key, piece).header.revision
            conditions.append(.createRevision(key) == revision)
        }
        return (stored, conditions)
    }

    /// Joins the pieces, of which `piece` returns the values.
    func read(in folder: Key, _ piece: (Key) -> Value?) throws(ConfigError) -> ConfigState {
        var bytes: [UInt8] = []
        // A missing piece ends the loop, however large the number is.
        for number in 0..<max(pieces, 0) {
            guard let value = piece(self.piece(number, in: folder)) else {
                throw ConfigError(.damaged, "piece \(number) of \(pieces) of the state \(folder)\(id) is missing")
            }
            bytes += value.bytes
        }
        guard ConfigState.sum(bytes) == sha256 else {
            throw ConfigError(.damaged, "the state \(folder)\(id) does not have the sum \(sha256)")
        }
        return try ConfigState(decoding: bytes)
    }
}

/// The JSON of the library's own entries.
enum StoredJSON {
    static func encode(_ value: some Encodable) -> Value {
        // The types that are encoded here have no values that JSON lacks.
        (try? ConfigEdit.encoded(value)) ?? ""
    }

    static func decode<Result: Decodable>(_ entry: KeyValue, as type: Result.Type) throws(ConfigError) -> Result {
        do {
            return try JSONDecoder().decode(type, from: Data(entry.value.bytes))
        } catch {
            let text = "\"\(entry.key)\" is \"\(ConfigError.abridged(entry.value))\", not what the library writes there"
            throw ConfigError(.damaged, text, key: entry.key, value: entry.value, cause: error)
        }
    }
}
