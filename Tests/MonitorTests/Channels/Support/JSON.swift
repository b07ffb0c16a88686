// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A value of JSON, to look at messages without knowing their types.
enum JSON: Decodable, Hashable {
    case object([String: JSON])
    case array([JSON])
    case string(String)
    case number(Double)
    case bool(Bool)
    case null

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSON].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSON].self))
        }
    }

    init(_ bytes: [UInt8]) throws { self = try JSONDecoder().decode(JSON.self, from: Data(bytes)) }

    /// A value of an object; null for a name that it does not have.
    subscript(_ name: String) -> JSON {
        guard case .object(let values) = self else { return .null }
        return values[name] ?? .null
    }

    /// An element of an array; null for one that it does not have.
    subscript(_ index: Int) -> JSON { elements.indices.contains(index) ? elements[index] : .null }

    var names: Set<String> {
        guard case .object(let values) = self else { return [] }
        return Set(values.keys)
    }

    var elements: [JSON] {
        guard case .array(let values) = self else { return [] }
        return values
    }

    var text: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    /// The texts of an object that has nothing else.
    var texts: [String: String]? {
        guard case .object(let values) = self else { return nil }
        let texts = values.compactMapValues(\.text)
        return texts.count == values.count ? texts : nil
    }

    /// The time of a text as in RFC 3339.
    var date: Date? {
        guard let text, text.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/) != nil else {
            return nil
        }
        return try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: text.contains(".")))
    }

    /// The shape: types in place of values; of an array, that of its first element, and a map has no names.
    func shape(maps: Set<String>) -> String {
        switch self {
        case .object(let values):
            let fields = values.sorted { $0.key < $1.key }.map { name, value in
                "\(name): \(maps.contains(name) ? (value.texts == nil ? "?" : "map") : value.shape(maps: maps))"
            }
            return "{\(fields.joined(separator: ", "))}"
        case .array(let values): return "[\(values.first?.shape(maps: maps) ?? "")]"
        case .string: return date == nil ? "string" : "date"
        case .number: return "number"
        case .bool: return "bool"
        case .null: return "null"
        }
    }
}
