// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A secret that opens the API to those who send it, as `Authorization: Bearer SECRET`.
///
/// Only a digest of the secret is kept, and the comparison takes the same time for every wrong secret.
public struct APIToken: Sendable, CustomStringConvertible {
    /// The rights at the API.
    public enum Role: String, Sendable, Hashable, Codable, CaseIterable, Comparable {
        /// To look.
        case read
        /// To look and to change something.
        case admin

        /// Orders roles from the smaller to the larger.
        public static func < (left: Role, right: Role) -> Bool { left == .read && right == .admin }
    }

    /// The rights of its holder.
    public let role: Role
    /// The name of its holder, for the audit record; it is no secret.
    public let name: String
    private let digest: [UInt8]?

    /// Makes a token of its secret.
    ///
    /// - Parameters:
    ///   - secret: The secret; an empty one opens nothing.
    ///   - role: The rights of its holder.
    ///   - name: The name of its holder, for the audit record; nil for that of the role.
    public init(_ secret: String, role: Role = .read, name: String? = nil) {
        self.role = role
        self.name = name ?? role.rawValue
        digest = secret.isEmpty ? nil : Self.digest(of: secret)
    }

    /// The role; never the secret.
    public var description: String { "\(role.rawValue) token" }

    /// The token with this secret; of several, the first with the largest role.
    static func holding(_ secret: Substring, among tokens: [APIToken]) -> APIToken? {
        guard let given = digest(of: secret) else { return nil }
        var found: APIToken?
        // Every token is compared to its end, so that the time says nothing about how near a guess is.
        for token in tokens {
            guard let digest = token.digest else { continue }
            let difference = zip(digest, given).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) }
            if difference == 0, found.map({ $0.role < token.role }) ?? true { found = token }
        }
        return found
    }

    private static func digest(of secret: some StringProtocol) -> [UInt8]? {
        let sum = SHA256()
        sum.update(Array(secret.utf8)[...])
        return sum.finish()
    }
}
