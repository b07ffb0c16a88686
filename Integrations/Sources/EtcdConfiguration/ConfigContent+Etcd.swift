// SPDX-License-Identifier: Apache-2.0

import Configuration
import EtcdKit
import EtcdPatterns
import Foundation

extension ConfigContent {
    /// Reads a value that is there.
    init(of key: Key, in state: EtcdPatterns.ConfigSnapshot, as type: ConfigType) throws(ConfigError) {
        self =
            switch type {
            case .string: .string(try state.string(key))
            case .int: .int(try state.int(key))
            case .double: .double(try state.double(key))
            case .bool: .bool(try state.bool(key))
            case .bytes: .bytes(try state.bytes(key))
            case .stringArray: .stringArray(try Self.list(of: key, in: state) { $0 })
            case .intArray: .intArray(try Self.list(of: key, in: state) { Int($0) })
            case .doubleArray: .doubleArray(try Self.list(of: key, in: state) { Double($0) })
            case .boolArray: .boolArray(try Self.list(of: key, in: state) { Bool($0) })
            case .byteChunkArray:
                .byteChunkArray(try state.decode(key, as: [Data].self).map { Array($0) })
            }
    }

    /// Reads a JSON array, or plain text with commas.
    private static func list<Element: Decodable>(
        of key: Key,
        in state: EtcdPatterns.ConfigSnapshot,
        _ parse: (String) -> Element?
    ) throws(ConfigError) -> [Element] {
        let text = try state.string(key).trimmingCharacters(in: .whitespaces)
        if text.hasPrefix("[") { return try state.decode(key, as: [Element].self) }
        var list: [Element] = []
        for part in text.split(separator: ",") {
            let part = part.trimmingCharacters(in: .whitespaces)
            guard let element = parse(part) else { throw .invalid(key, "has \"\(part)\", which is no \(Element.self)") }
            list.append(element)
        }
        return list
    }
}
