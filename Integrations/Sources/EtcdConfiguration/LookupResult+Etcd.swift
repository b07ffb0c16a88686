// SPDX-License-Identifier: Apache-2.0

import Configuration
import EtcdKit
import EtcdPatterns
import Foundation

extension LookupResult {
    /// The result for a value as it is stored in etcd; nil if there is none.
    init(
        _ key: String,
        _ stored: Value?,
        as type: ConfigType,
        _ secrets: SecretsSpecifier<String, String>
    ) throws(ConfigError) {
        guard let stored else {
            self.init(encodedKey: key, value: nil)
            return
        }
        guard let content = ConfigContent(stored, as: type) else {
            // Without the value, which may be a secret.
            throw .invalid(Key(key), "is not of the type \(type.rawValue)")
        }
        let isSecret = secrets.isSecret(key: key, value: stored.description)
        self.init(encodedKey: key, value: ConfigValue(content, isSecret: isSecret))
    }
}

extension ConfigContent {
    /// Reads a stored value; nil if it is not of the type.
    init?(_ stored: Value, as type: ConfigType) {
        let content: ConfigContent? =
            switch type {
            case .string: String(configValue: stored).map { .string($0) }
            case .int: Int(configValue: stored).map { .int($0) }
            case .double: Double(configValue: stored).map { .double($0) }
            case .bool: Bool(configValue: stored).map { .bool($0) }
            case .bytes: .bytes(stored.bytes)
            case .stringArray: Self.list(stored).map { .stringArray($0) }
            case .intArray: Self.list(stored).map { .intArray($0) }
            case .doubleArray: Self.list(stored).map { .doubleArray($0) }
            case .boolArray: Self.list(stored).map { .boolArray($0) }
            case .byteChunkArray: Self.json([Data].self, stored).map { .byteChunkArray($0.map { Array($0) }) }
            }
        guard let content else { return nil }
        self = content
    }

    /// Reads a JSON array, or plain text with commas.
    private static func list<Element: ConfigConvertible & Decodable>(_ stored: Value) -> [Element]? {
        guard let text = stored.string?.trimmingCharacters(in: .whitespaces) else { return nil }
        if text.hasPrefix("[") { return json([Element].self, stored) }
        let elements = text.split(separator: ",").map { part in
            Element(configValue: Value(part.trimmingCharacters(in: .whitespaces)))
        }
        return elements.contains { $0 == nil } ? nil : elements.compactMap { $0 }
    }

    private static func json<Wanted: Decodable>(_ type: Wanted.Type, _ stored: Value) -> Wanted? {
        try? JSONDecoder().decode(type, from: Data(stored.bytes))
    }
}
