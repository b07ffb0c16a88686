// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("Auth: a change of the client's own password, by script", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct PasswordChangeTests {
    /// The client while a token is asked for with the old password.
    @Test("an old password that is refused is followed by the new one, if there is one", arguments: [false, true])
    func race(isChanged: Bool) async throws {
        let member = try FakeMember()
        var attempts: [(password: String, exchange: HTTP2ServerExchange)] = []
        var changes: [HTTP2ServerExchange] = []
        var token = "token.1"
        member.onCall = { exchange in
            switch exchange.headers[":path"] {
            case Wire.authenticate.path:
                let request = exchange.takeMessages(Wire.AuthenticateRequest.self).first
                attempts.append((request?.password ?? "", exchange))
                if attempts.count == 1 { exchange.answer(with: Wire.AuthenticateResponse(token: token)) }
            case Wire.userChangePassword.path: changes.append(exchange)
            case _ where exchange.headers["token"] == token: exchange.answer()
            default: exchange.refuse(.unauthenticated, "etcdserver: invalid auth token")
            }
        }
        try await FakeMember.with([member], { $0.credentials = .user("root", password: "old") }) { client in
            try await client.put("k", "v")
            let change = Task { try await client.auth.users.changePassword(to: "new", of: "root") }
            try await eventually("the change is asked for") { changes.count == 1 }
            // etcd has changed the password, and has not answered yet.
            token = "token.2"
            let put = Task { try await client.put("k", "v") }
            try await eventually("the old password is tried") { attempts.map(\.password) == ["old", "old"] }
            if isChanged {
                changes[0].answer()
                try await change.value
            }
            let text = "etcdserver: authentication failed, invalid user ID or password"
            attempts[1].exchange.refuse(.invalidArgument, text)
            if isChanged {
                try await eventually("the new one is tried") { attempts.map(\.password) == ["old", "old", "new"] }
                attempts[2].exchange.answer(with: Wire.AuthenticateResponse(token: token))
                _ = try await put.value
            } else {
                await expectError(.authenticationFailed) { try await put.value }
                change.cancel()
                _ = await change.result
            }
        }
    }

    @Test("a change of another user's password has no effect on the client")
    func others() async throws {
        let member = try FakeMember()
        var passwords: [String] = []
        var token = "token.1"
        member.onCall = { exchange in
            switch exchange.headers[":path"] {
            case Wire.authenticate.path:
                passwords += exchange.takeMessages(Wire.AuthenticateRequest.self).map(\.password)
                exchange.answer(with: Wire.AuthenticateResponse(token: token))
            case _ where exchange.headers["token"] == token: exchange.answer()
            default: exchange.refuse(.unauthenticated, "etcdserver: invalid auth token")
            }
        }
        try await FakeMember.with([member], { $0.credentials = .user("root", password: "old") }) { client in
            try await client.auth.users.changePassword(to: "new", of: "alice")
            token = "token.2"
            try await client.put("k", "v")
            #expect(passwords == ["old", "old"])
        }
    }
}
