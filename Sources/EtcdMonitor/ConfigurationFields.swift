// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdMonitorKit

/// The fields of an object in the configuration file.
///
/// It records which fields were read.
struct ConfigurationFields {
    private let object: ConfigurationValue
    private let values: [String: JSONValue]
    private var known: Set<String> = []

    init(_ object: ConfigurationValue, _ values: [String: JSONValue]) {
        self.object = object
        self.values = values
    }

    /// The value of a key; nil if it is missing.
    subscript(key: String) -> ConfigurationValue? {
        mutating get {
            known.insert(key)
            return values[key].map { object.child(key, $0) }
        }
    }

    /// The value of a required key.
    mutating func required(_ key: String) throws(UsageError) -> ConfigurationValue {
        guard let value = self[key] else { throw error("\"\(key)\" is missing") }
        return value
    }

    /// The secret of a key, or in the file that the key with `File` names; nil if both are missing.
    mutating func secret(_ key: String) throws(UsageError) -> Secret? {
        let (value, file) = (self[key], self["\(key)File"])
        if let file {
            if value != nil { throw file.error("\"\(key)\" is also given") }
            return .file(try file.text())
        }
        guard let value else { return nil }
        return Secret(try value.text())
    }

    /// The required secret of a key, or in a file.
    mutating func requiredSecret(_ key: String) throws(UsageError) -> Secret {
        guard let secret = try secret(key) else { throw error("\"\(key)\" or \"\(key)File\" is missing") }
        return secret
    }

    /// An error about the object.
    func error(_ reason: String) -> UsageError { object.error(reason) }

    /// Refuses keys that were not read.
    func refuseOthers() throws(UsageError) {
        guard let other = values.keys.filter({ !known.contains($0) }).min() else { return }
        throw object.child(other, .null).noSuchSetting(other, among: known)
    }
}

extension ConfigurationValue {
    /// The error for an unknown key.
    func noSuchSetting(_ key: String, among known: some Sequence<String>) -> UsageError {
        guard let nearest = key.nearest(among: known) else { return error("unknown setting") }
        return error("unknown setting; did you mean \"\(nearest)\"?")
    }
}
