// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Makes a short text without secrets from a receiver's text.
struct Redaction: Sendable {
    private static let limit = 200

    private let secrets: [String]

    /// Makes a redaction.
    ///
    /// - Parameter secrets: The texts to remove.
    init(_ secrets: [String]) {
        // The longest first, so that no part of a secret remains when it contains another secret.
        let forms = secrets + secrets.map(\.oneLine)
        self.secrets = Set(forms.filter { !$0.isEmpty }).sorted { $0.utf8.count > $1.utf8.count }
    }

    /// The text in one line, without secrets and control characters, of at most 200 characters.
    func callAsFunction(_ text: String) -> String {
        // Clean the text first, because a control character within a secret would hide it.
        var result = text.oneLine
        for secret in secrets {
            result = result.replacingOccurrences(of: secret, with: "(secret)", options: [.literal, .caseInsensitive])
        }
        // Cut the text last, because a part of a secret is not found.
        return result.cut(to: Self.limit)
    }

    /// The redacted text of a body.
    func callAsFunction(_ body: [UInt8]) -> String { self(String(decoding: body, as: UTF8.self)) }
}
