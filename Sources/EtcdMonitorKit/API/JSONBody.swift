// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The JSON of the API: ISO 8601 dates in UTC with milliseconds, and sorted keys.
package enum JSONBody {
    package static func bytes(of value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
        }
        // One invalid figure of a member must not make the whole answer fail.
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "+Inf",
            negativeInfinity: "-Inf",
            nan: "NaN"
        )
        return Array(try encoder.encode(value))
    }

    static func response(_ value: some Encodable, status: Int = 200) throws(Problem) -> HTTPResponse {
        do {
            return HTTPResponse(status, headers: ["Content-Type": "application/json"], .bytes(try bytes(of: value)))
        } catch {
            throw Problem(.internalError, "the values cannot be encoded as JSON: \(error)")
        }
    }

    /// A JSON object of a single answer; nil values are left out.
    struct Object: Encodable, ExpressibleByDictionaryLiteral {
        typealias Value = (any Encodable)?

        private struct Name: CodingKey {
            let stringValue: String
            var intValue: Int? { nil }
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        private var fields: [(String, Value)]

        init(dictionaryLiteral elements: (String, Value)...) { fields = elements }

        func adding(_ other: Object) -> Object {
            var sum = self
            sum.fields += other.fields
            return sum
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Name.self)
            for case (let name, let value?) in fields { try container.encode(value, forKey: Name(stringValue: name)) }
        }
    }
}
