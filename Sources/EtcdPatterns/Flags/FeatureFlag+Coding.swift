// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

extension FeatureFlag: Codable {
    /// Reads a flag: `true`, `false`, or an object.
    ///
    /// An object with an unknown name is refused, since ignoring the name could be wrong.
    public init(from decoder: any Decoder) throws {
        if let isEnabled = try? decoder.singleValueContainer().decode(Bool.self) {
            self.init(isEnabled: isEnabled)
            return
        }
        let names = ["description", "enabled", "variants", "serve", "off", "requires", "rules", "rolloutGroup"]
        let fields = try Fields(decoder, names)
        self.init()
        description = try fields.optional("description")
        isEnabled = try fields.optional("enabled") ?? true
        if let variants: [String: FlagValue] = try fields.optional("variants") {
            self.variants = variants
            serving = try fields.required("serve")
            offVariant = try fields.optional("off")
        } else {
            serving = try fields.optional("serve") ?? serving
            offVariant = try fields.optional("off") ?? offVariant
        }
        prerequisites = try fields.optional("requires") ?? [:]
        rules = try fields.optional("rules") ?? []
        rolloutGroup = try fields.optional("rolloutGroup")
    }

    /// Writes the flag: `true` or `false` if it has no other properties, otherwise an object.
    public func encode(to encoder: any Encoder) throws {
        if self == FeatureFlag(isEnabled: isEnabled) {
            var container = encoder.singleValueContainer()
            return try container.encode(isEnabled)
        }
        var fields = encoder.container(keyedBy: AnyCodingKey.self)
        try fields.encodeIfPresent(description, "description")
        try fields.encodeIfPresent(isEnabled, "enabled")
        let isSwitch = variants == Self.switchVariants && offVariant != nil
        if !isSwitch { try fields.encodeIfPresent(variants, "variants") }
        if !isSwitch || offVariant != "off" { try fields.encodeIfPresent(offVariant, "off") }
        try fields.encodeIfPresent(serving, "serve")
        if !prerequisites.isEmpty { try fields.encodeIfPresent(prerequisites, "requires") }
        if !rules.isEmpty { try fields.encodeIfPresent(rules, "rules") }
        try fields.encodeIfPresent(rolloutGroup, "rolloutGroup")
    }

    /// Reads the definition of a flag.
    ///
    /// - Throws: `invalidDefinition`.
    init(_ value: Value, of name: String) throws(FlagError) {
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(value.bytes))
        } catch {
            let start = value.description.prefix(100)
            throw FlagError(name, .invalidDefinition, "\(Self.explanation(of: error)), in \(start)")
        }
    }

    /// The definition as it is stored.
    ///
    /// - Throws: `invalidDefinition`.
    func stored(as name: String) throws(FlagError) -> Value {
        do {
            return try ConfigEdit.encoded(self)
        } catch EncodingError.invalidValue(_, let context) {
            throw FlagError(name, .invalidDefinition, context.debugDescription)
        } catch {
            throw FlagError(name, .invalidDefinition, "\(error)")
        }
    }

    /// The decoder's message, with the place of the mistake.
    private static func explanation(of error: any Error) -> String {
        func place(_ context: DecodingError.Context) -> String {
            let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
            return path.isEmpty ? "" : " at \(path)"
        }
        return switch error {
        case DecodingError.keyNotFound(let key, let context): "\"\(key.stringValue)\" is missing\(place(context))"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
            DecodingError.dataCorrupted(let context):
            "\(context.debugDescription)\(place(context))\(context.underlyingError.map { " (\($0))" } ?? "")"
        default: "\(error)"
        }
    }
}

extension FeatureFlag.Rule: Decodable {
    /// Reads a rule.
    public init(from decoder: any Decoder) throws {
        let fields = try Fields(decoder, ["if", "serve"])
        self.init(if: try fields.optional("if") ?? [], serve: try fields.required("serve"))
    }
}

extension FeatureFlag.Condition: Codable {
    /// Reads a condition.
    public init(from decoder: any Decoder) throws {
        let fields = try Fields(decoder, ["attribute", "operator", "values", "not"])
        self.init(
            attribute: try fields.required("attribute"),
            relation: try fields.required("operator"),
            values: try fields.optional("values") ?? []
        )
        isNegated = try fields.optional("not") ?? false
    }

    /// Writes the condition.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: AnyCodingKey.self)
        try fields.encodeIfPresent(attribute, "attribute")
        try fields.encodeIfPresent(relation, "operator")
        if !values.isEmpty { try fields.encodeIfPresent(values, "values") }
        if isNegated { try fields.encodeIfPresent(isNegated, "not") }
    }
}

extension FeatureFlag.Serving: Codable {
    /// Reads the name of a variant, or a split.
    public init(from decoder: any Decoder) throws {
        if let variant = try? decoder.singleValueContainer().decode(String.self) {
            self = .variant(variant)
            return
        }
        let fields = try Fields(decoder, ["split", "by"])
        self = .split(FeatureFlag.Split(parts: try fields.required("split"), attribute: try fields.optional("by")))
    }

    /// Writes the name of the variant, or the split.
    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .variant(let name):
            var container = encoder.singleValueContainer()
            try container.encode(name)
        case .split(let split):
            if let mistake = split.mistake {
                let context = EncodingError.Context(codingPath: encoder.codingPath, debugDescription: mistake)
                throw EncodingError.invalidValue(split, context)
            }
            var fields = encoder.container(keyedBy: AnyCodingKey.self)
            try fields.encodeIfPresent(split.parts, "split")
            try fields.encodeIfPresent(split.attribute, "by")
        }
    }
}

extension FeatureFlag.Split.Part: Decodable {
    /// Reads a part.
    public init(from decoder: any Decoder) throws {
        let fields = try Fields(decoder, ["variant", "weight"])
        self.init(variant: try fields.required("variant"), weight: try fields.required("weight"))
    }
}

/// Any name in a JSON object.
private struct AnyCodingKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

/// A JSON object that has no unknown names.
private struct Fields {
    private let container: KeyedDecodingContainer<AnyCodingKey>

    init(_ decoder: any Decoder, _ names: [String]) throws {
        container = try decoder.container(keyedBy: AnyCodingKey.self)
        for key in container.allKeys where !names.contains(key.stringValue) {
            throw DecodingError.dataCorruptedError(forKey: key, in: container, debugDescription: "unknown name")
        }
    }

    func required<Field: Decodable>(_ name: String) throws -> Field {
        try container.decode(Field.self, forKey: AnyCodingKey(stringValue: name))
    }

    func optional<Field: Decodable>(_ name: String) throws -> Field? {
        try container.decodeIfPresent(Field.self, forKey: AnyCodingKey(stringValue: name))
    }
}

extension KeyedEncodingContainer<AnyCodingKey> {
    fileprivate mutating func encodeIfPresent(_ field: (some Encodable)?, _ name: String) throws {
        try encodeIfPresent(field, forKey: AnyCodingKey(stringValue: name))
    }
}
