// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A secret, such as a password, that no description reveals.
///
/// A secret in a file is read each time it is needed, so that it can be replaced while the monitor runs.
public struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private enum Source: Hashable {
        case value(String)
        case file(String)
    }

    private let source: Source

    /// Makes a secret from its value.
    ///
    /// - Parameter value: The value.
    public init(_ value: String) { source = .value(value) }

    private init(source: Source) { self.source = source }

    /// Makes a secret from a file, without the line break at its end.
    ///
    /// - Parameter path: The path of the file.
    /// - Returns: The secret, which is not read yet.
    public static func file(_ path: String) -> Secret { Secret(source: .file(path)) }

    /// Reads the secret.
    ///
    /// - Returns: The value.
    /// - Throws: An error that names the file, but not the secret, if it cannot be read.
    public func value() throws(AlertChannelError) -> String {
        switch source {
        case .value(let value): return value
        case .file(let path):
            guard let data = FileManager.default.contents(atPath: path) else {
                throw AlertChannelError("\(path) cannot be read")
            }
            let text = String(data: data, encoding: .utf8)?.trimmingCharacters(in: .newlines) ?? ""
            if text.isEmpty { throw AlertChannelError("\(path) is empty or not a text") }
            return text
        }
    }

    /// The place of the secret; never its value.
    public var description: String {
        switch source {
        case .value: "(secret)"
        case .file(let path): "(secret in \(path))"
        }
    }

    /// The same as ``description``.
    public var debugDescription: String { description }
    /// Shows nothing of the secret.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
