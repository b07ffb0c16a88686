// SPDX-License-Identifier: Apache-2.0

/// The user that a client acts as, in a cluster with authentication.
///
/// Neither a password nor a token appears in a description, an error or an event.
public struct Credentials: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
    enum Kind: Sendable, Hashable {
        case user(name: String, password: String)
        case token(AuthToken, validFor: Duration?)
        case provider(Provider)
    }

    /// A closure that is equal to itself only.
    final class Provider: Sendable, Hashable {
        let provide: @Sendable () async throws -> Credentials

        init(_ provide: @escaping @Sendable () async throws -> Credentials) { self.provide = provide }

        static func == (one: Provider, other: Provider) -> Bool { one === other }

        func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
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
    /// The client sends it with each call as it is. It can get another token only from a ``provider(_:)``.
    ///
    /// - Parameters:
    ///   - token: The token.
    ///   - duration: How long the token is valid from now on, if known. A client whose token comes from a
    ///     ``provider(_:)`` asks for the next one when nine tenths of this time have passed.
    /// - Returns: The credentials.
    public static func token(_ token: String, validFor duration: Duration? = nil) -> Credentials {
        Credentials(kind: .token(AuthToken(token), validFor: duration))
    }

    /// Credentials that change: passwords that are rotated, or tokens that are renewed.
    ///
    /// ```swift
    /// configuration.credentials = .provider {
    ///     .user("jobs", password: try await vault.password(of: "jobs"))
    /// }
    /// ```
    ///
    /// The client calls the closure each time it needs a new token: before its first call, when etcd has refused the
    /// current token, and when a ``token(_:validFor:)`` is about to expire. One call of the closure serves all waiting
    /// calls. If the closure throws, these calls throw ``EtcdError/Code/unavailable`` with the error as the cause, or
    /// the ``EtcdError`` that it throws; for a token that cannot be sent, they throw `invalidArgument`. Watches and
    /// leases try again, except after `authenticationFailed`. The closure's task is cancelled after
    /// ``EtcdClient/Configuration/callTimeout``, and when the client is closed.
    ///
    /// - Parameter provide: Gives a user with a password, or a token.
    /// - Returns: The credentials.
    public static func provider(_ provide: @escaping @Sendable () async throws -> Credentials) -> Credentials {
        Credentials(kind: .provider(Provider(provide)))
    }

    /// The kind of credentials, without secrets.
    public var description: String {
        switch kind {
        case .user(let name, _): "user \(name)"
        case .token: "token"
        case .provider: "provider of credentials"
        }
    }

    /// A reflection without secrets.
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// Refuses what cannot be sent.
    func validate() throws(EtcdError) {
        switch kind {
        case .user(let name, _):
            if name.isEmpty { throw EtcdError(.invalidArgument, "the user name is empty") }
        case .token(let token, _):
            if !token.isValid { throw EtcdError(.invalidArgument, "the token is empty or not visible ASCII text") }
        case .provider:
            break
        }
    }

    /// The current user or token.
    ///
    /// A provider runs off the loop, since it may block its thread for a while. It is cancelled after `limit`.
    @concurrent
    func current(within limit: Duration) async throws(EtcdError) -> Credentials {
        guard case .provider(let provider) = kind else { return self }
        let credentials: Credentials
        do {
            credentials = try await withCompanion {
                await Task.pause(for: limit)
                return EtcdError(.deadlineExceeded, "the provider of the credentials has taken longer than \(limit)")
            } _: {
                try await provider.provide()
            }
        } catch let failure as CompanionFailure {
            throw failure.error
        } catch let error as EtcdError {
            throw error
        } catch {
            throw EtcdError(.unavailable, "the provider of the credentials has failed", cause: error)
        }
        if case .provider = credentials.kind {
            throw EtcdError(.invalidArgument, "a provider of credentials must give a user or a token, not a provider")
        }
        try credentials.validate()
        return credentials
    }
}
