// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A secret that grants access to the API, sent as `Authorization: Bearer SECRET`.
///
/// Only a digest of the secret is kept. The comparison takes the same time for every wrong secret.
public struct APIToken: Sendable, CustomStringConvertible {
    /// The rights that a token grants.
    public enum Role: String, Sendable, Hashable, Codable, CaseIterable, Comparable {
        /// Reads.
        case read
        /// Reads and makes changes.
        case admin

        /// Orders roles from fewer to more rights.
        public static func < (left: Role, right: Role) -> Bool { left == .read && right == .admin }
    }

    /// The rights of its holder.
    public let role: Role
    /// The name of its holder, for the audit log; it is not secret.
    public let name: String
    private let digest: [UInt8]?

    /// Makes a token from its secret.
    ///
    /// - Parameters:
    ///   - secret: The secret; an empty one grants nothing.
    ///   - role: The rights of its holder.
    ///   - name: The name of its holder, for the audit log; nil for the name of the role.
    public init(_ secret: String, role: Role = .read, name: String? = nil) {
        self.role = role
        self.name = name ?? role.rawValue
        digest = secret.isEmpty ? nil : Self.digest(of: secret)
    }

    /// The role; never the secret.
    public var description: String { "\(role.rawValue) token" }

    /// The token with this secret; of several, the first with the most rights.
    static func holding(_ secret: Substring, among tokens: [APIToken]) -> APIToken? {
        guard let given = digest(of: secret) else { return nil }
        var found: APIToken?
        // Every token is compared to its end, so the time does not reveal how close a guess is.
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
