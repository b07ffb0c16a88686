// SPDX-License-Identifier: Apache-2.0

/// Who a client is, for a cluster with authentication.
///
/// Neither a password nor a token appears in a description, an error or an event.
public struct Credentials: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
    enum Kind: Sendable, Hashable {
        case user(name: String, password: String)
        case token(AuthToken)
    }

    let kind: Kind

    /// A user with a password, for which the client gets a token when it first needs one, and again when etcd no longer
    /// accepts it.
    ///
    /// - Parameters:
    ///   - name: The name of the user.
    ///   - password: The password.
    /// - Returns: The credentials.
    public static func user(_ name: String, password: String) -> Credentials {
        Credentials(kind: .user(name: name, password: password))
    }

    /// A token that was made elsewhere, such as a JWT.
    ///
    /// The client sends it with each call as it is, and cannot replace it when etcd no longer accepts it.
    ///
    /// - Parameter token: The token.
    /// - Returns: The credentials.
    public static func token(_ token: String) -> Credentials {
        Credentials(kind: .token(AuthToken(token)))
    }

    /// Who the client is, without secrets.
    public var description: String {
        switch kind {
        case .user(let name, _): "user \(name)"
        case .token: "token"
        }
    }

    /// A reflection without secrets.
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// Refuses what cannot be sent.
    func validate() throws(EtcdError) {
        switch kind {
        case .user(let name, _):
            if name.isEmpty { throw EtcdError(.invalidArgument, "the user name is empty") }
        case .token(let token):
            if !token.isValid { throw EtcdError(.invalidArgument, "the token is empty or not visible ASCII text") }
        }
    }
}

/// What etcd knows a user by, for a while.
struct AuthToken: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
    let text: String

    init(_ text: String) { self.text = text }

    /// It can be the value of a header field.
    var isValid: Bool { !text.isEmpty && text.utf8.allSatisfy { (0x21...0x7e).contains($0) } }

    var description: String { "token" }
    var customMirror: Mirror { Mirror(self, children: []) }
}
