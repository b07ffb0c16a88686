// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdMonitorKit

/// The fields of an object in the configuration file, which remembers what was asked for.
struct ConfigurationFields {
    private let object: ConfigurationValue
    private let values: [String: JSONValue]
    private var known: Set<String> = []

    init(_ object: ConfigurationValue, _ values: [String: JSONValue]) {
        self.object = object
        self.values = values
    }

    /// The value behind a key; nil if there is none.
    subscript(key: String) -> ConfigurationValue? {
        mutating get {
            known.insert(key)
            return values[key].map { object.child(key, $0) }
        }
    }

    /// The value behind a key that the object must have.
    mutating func required(_ key: String) throws(UsageError) -> ConfigurationValue {
        guard let value = self[key] else { throw error("\"\(key)\" is missing") }
        return value
    }

    /// The secret behind a key, or in the file that stands behind the key with `File`; nil if there is neither.
    mutating func secret(_ key: String) throws(UsageError) -> Secret? {
        let (value, file) = (self[key], self["\(key)File"])
        if let file {
            if value != nil { throw file.error("\"\(key)\" is given, too") }
            return .file(try file.text())
        }
        guard let value else { return nil }
        return Secret(try value.text())
    }

    /// The secret behind a key, or in a file, that the object must have.
    mutating func requiredSecret(_ key: String) throws(UsageError) -> Secret {
        guard let secret = try secret(key) else { throw error("\"\(key)\" or \"\(key)File\" is missing") }
        return secret
    }

    /// Says that something is wrong with the object.
    func error(_ reason: String) -> UsageError { object.error(reason) }

    /// Refuses a key that was not asked for.
    func refuseOthers() throws(UsageError) {
        guard let other = values.keys.filter({ !known.contains($0) }).min() else { return }
        throw object.child(other, .null).noSuchSetting(other, among: known)
    }
}

extension ConfigurationValue {
    /// Says that a key is none of the known ones.
    func noSuchSetting(_ key: String, among known: some Sequence<String>) -> UsageError {
        guard let nearest = key.nearest(among: known) else { return error("there is no such setting") }
        return error("there is no such setting; did you mean \"\(nearest)\"?")
    }
}
