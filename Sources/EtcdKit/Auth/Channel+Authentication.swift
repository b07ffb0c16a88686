// SPDX-License-Identifier: Apache-2.0

extension Channel {
    /// Asks for a token.
    ///
    /// - Returns: The token; nil if the cluster has no authentication.
    func authenticate(_ name: String, _ password: String) async -> TokenStore.Answer {
        let message = Wire.AuthenticateRequest(name: name, password: password)
        let frame = GRPCFraming.frame(of: message)
        let request = Request(
            call: EtcdClient.Call(method: Wire.authenticate.path, requestSize: frame.count),
            isRead: true,
            needsLeader: true,
            needsToken: false,
            frame: frame,
            deadline: .now + configuration.callTimeout,
            retry: configuration.retry
        )
        do throws(EtcdError) {
            let body = try await perform(request).result.get()
            let response: Wire.AuthenticateResponse
            response = try Self.message(in: body, limit: configuration.maximumMessageSize)
            let token = AuthToken(response.token)
            guard token.isValid else { throw EtcdError(.protocolViolation, "the server granted an unusable token") }
            context.report(.tokenRefreshed)
            return .success(token)
        } catch {
            return error.code == .authenticationNotEnabled ? .success(nil) : .failure(error)
        }
    }
}
