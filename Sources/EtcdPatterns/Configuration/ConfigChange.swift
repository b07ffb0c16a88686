// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A change of a value of a configuration; see ``ConfigManager/changes(of:interval:)``.
public struct ConfigChange: Sendable, Hashable, CustomStringConvertible {
    /// The key within the configuration.
    public let key: Key
    /// The old value as it was stored; nil if there was none.
    public let old: Value?
    /// The new value as it is stored; nil if it was deleted.
    public let new: Value?
    /// The revision of the state with the new value.
    public let revision: Revision

    /// Makes a change, for tests; the parameters are its properties.
    public init(key: Key, old: Value?, new: Value?, revision: Revision) {
        self.key = key
        self.old = old
        self.new = new
        self.revision = revision
    }

    /// The new value.
    ///
    /// - Parameter type: The wanted type.
    /// - Returns: The value; nil if it was deleted.
    /// - Throws: ``ConfigError`` with the code `wrongType`.
    public func value<Wanted: ConfigConvertible>(as type: Wanted.Type = Wanted.self) throws(ConfigError) -> Wanted? {
        try Wanted.read(new, of: key)
    }

    /// The key, the old value and the new one in one line.
    public var description: String {
        func shown(_ value: Value?) -> String { value.map { "\"\(ConfigError.abridged($0))\"" } ?? "unset" }
        return "\"\(key)\" was \(shown(old)), is \(shown(new))"
    }
}
