// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A secret, such as a password, that shows itself in no description.
///
/// One that stands in a file is read each time that it is needed, so that it can be replaced while the monitor runs.
public struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private enum Source: Hashable {
        case value(String)
        case file(String)
    }

    private let source: Source

    /// Makes a secret of its value.
    ///
    /// - Parameter value: The value.
    public init(_ value: String) { source = .value(value) }

    private init(source: Source) { self.source = source }

    /// A secret that stands in a file, without the end of its line.
    ///
    /// - Parameter path: The path of the file.
    /// - Returns: The secret, which has not been read yet.
    public static func file(_ path: String) -> Secret { Secret(source: .file(path)) }

    /// Reads the secret.
    ///
    /// - Returns: The value.
    /// - Throws: Why it cannot be read; the file is named, the secret is not.
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

    /// The place of the secret; never the secret.
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
