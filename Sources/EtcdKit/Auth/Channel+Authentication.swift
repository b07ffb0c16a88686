// SPDX-License-Identifier: Apache-2.0

extension Channel {
    /// Gets a token for `credentials`.
    ///
    /// - Returns: The token, and how long it is valid, if known; no token if the cluster has no authentication.
    func authenticate(_ credentials: Credentials) async -> Result<TokenStore.Grant, EtcdError> {
        do throws(EtcdError) {
            let current = try await credentials.current(within: configuration.callTimeout)
            switch current.kind {
            case .user(let name, let password):
                let token = try await authenticate(name, password)
                if token != nil { report(.tokenRefreshed) }
                return .success(TokenStore.Grant(token: token))
            case .token(let token, let duration):
                report(.tokenRefreshed)
                return .success(TokenStore.Grant(token: token, validFor: duration))
            case .provider:
                throw EtcdError(.invalidArgument, "a provider gave no credentials")
            }
        } catch {
            return .failure(error)
        }
    }

    private func authenticate(_ name: String, _ password: String) async throws(EtcdError) -> AuthToken? {
        let message = Wire.AuthenticateRequest(name: name, password: password)
        let frame = GRPCFraming.frame(of: message)
        let request = Request(
            call: EtcdClient.Call(method: Wire.authenticate.path, requestSize: frame.count),
            isRead: true,
            needsLeader: true,
            needsToken: false,
            frame: frame,
            deadline: .now + configuration.callTimeout,
            retry: configuration.retry,
            metadata: configuration.metadata,
            // The calls that need the token know whether to wait for a connection.
            waitPolicy: .unlessFailed
        )
        let response: Wire.AuthenticateResponse
        do throws(EtcdError) {
            response = try await perform(request).message(limit: configuration.maximumMessageSize)
        } catch {
            if error.code == .authenticationNotEnabled { return nil }
            throw error
        }
        let token = AuthToken(response.token)
        guard token.isValid else { throw EtcdError(.protocolViolation, "the server granted an unusable token") }
        return token
    }
}
