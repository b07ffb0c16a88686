// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Any JSON value.
enum JSONValue: Sendable, Hashable, Codable {
    case null
    case bool(Bool)
    case number(Double)
    case text(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .text(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }

    /// Its name in messages.
    var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .number: "a number"
        case .text: "a text"
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// A single value, in the form of a flag's value; nil for null, arrays and objects.
    var flagText: String? {
        switch self {
        case .bool(let value): "\(value)"
        case .number(let value): Int64(exactly: value).map { "\($0)" } ?? "\(value)"
        case .text(let value): value
        case .null, .array, .object: nil
        }
    }

    /// The reason why JSON could not be decoded, in one line, with the place but without values.
    static func reason(of error: any Error) -> String {
        guard let error = error as? DecodingError else { return "it cannot be read" }
        func at(_ context: DecodingError.Context, _ problem: String) -> String {
            let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }
            return path.isEmpty ? problem : "\(path.joined(separator: ".")): \(problem)"
        }
        switch error {
        case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
            return at(
                context,
                "it is not \(type == Double.self || type == Int.self ? "a number" : "of the right type")"
            )
        case .keyNotFound(let key, let context): return at(context, "\"\(key.stringValue)\" is missing")
        // These texts are from the thresholds, which name themselves.
        case .dataCorrupted(let context): return context.debugDescription
        @unknown default: return "it cannot be read"
        }
    }
}
