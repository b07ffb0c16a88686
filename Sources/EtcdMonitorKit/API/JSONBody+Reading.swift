// SPDX-License-Identifier: Apache-2.0

import Foundation

extension JSONBody {
    /// The largest size of a request's body, in bytes.
    static let sizeLimit = HTTPLimits().body

    /// Decodes the body of a request.
    ///
    /// - Parameters:
    ///   - type: The type to decode.
    ///   - request: The request.
    /// - Returns: The value.
    /// - Throws: A problem that names the error and its place.
    static func read<Value: Decodable>(_ type: Value.Type, of request: HTTPRequest) throws(Problem) -> Value {
        let media = request.headers["Content-Type"]?.split(separator: ";").first ?? ""
        // A form of another site's page cannot send this type.
        guard media.trimmingCharacters(in: .whitespaces).lowercased() == "application/json" else {
            throw Problem(.wrongMediaType, "the field Content-Type must be application/json")
        }
        guard request.body.count <= sizeLimit else {
            throw Problem(.bodyTooLarge, "it has \(request.body.count) bytes, but the limit is \(sizeLimit)")
        }
        do {
            return try JSONDecoder().decode(type, from: Data(request.body))
        } catch let error as DecodingError {
            throw Problem(.invalidBody, detail(of: error))
        } catch {
            throw Problem(.invalidBody, "it is not JSON")
        }
    }

    /// The place of the error and the expected type.
    ///
    /// Of the client's text, it contains only the names of keys.
    private static func detail(of error: DecodingError) -> String {
        switch error {
        case .keyNotFound(let key, let context): return "\(place(context.codingPath + [key])): missing"
        case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
            return "\(place(context.codingPath)): must be \(name(of: type))"
        case .dataCorrupted(let context) where !context.codingPath.isEmpty:
            return "\(place(context.codingPath)): \(context.debugDescription)"
        default: return "it is not JSON"
        }
    }

    private static func place(_ path: [any CodingKey]) -> String {
        let text = path.reduce("") { text, key in
            if let index = key.intValue { return "\(text)[\(index)]" }
            return text.isEmpty ? key.stringValue : "\(text).\(key.stringValue)"
        }
        return text.isEmpty ? "the body" : String(text.prefix(200))
    }

    private static func name(of type: any Any.Type) -> String {
        switch type {
        case is String.Type: "a text"
        case is Bool.Type: "true or false"
        case is Double.Type: "a number"
        case _ where "\(type)".hasPrefix("Array"): "a list"
        default: "an object"
        }
    }
}

/// The fields of a JSON object that allows no other fields.
///
/// A present field is not null.
struct StrictFields<Key: CodingKey & CaseIterable> {
    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private let container: KeyedDecodingContainer<Key>

    init(_ decoder: any Decoder) throws {
        let names = Key.allCases.map(\.stringValue)
        let all = try decoder.container(keyedBy: Name.self)
        if let other = all.allKeys.map(\.stringValue).sorted().first(where: { !names.contains($0) }) {
            throw DecodingError.dataCorruptedError(
                forKey: Name(stringValue: other),
                in: all,
                debugDescription: "unknown field; the fields are \(names.joined(separator: ", "))"
            )
        }
        container = try decoder.container(keyedBy: Key.self)
    }

    func required<Value: Decodable>(_ key: Key) throws -> Value { try container.decode(Value.self, forKey: key) }

    func optional<Value: Decodable>(_ key: Key) throws -> Value? {
        container.contains(key) ? try container.decode(Value.self, forKey: key) : nil
    }
}
