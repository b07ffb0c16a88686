// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// A scripted member of a cluster: answers health checks, and leaves the calls to the test.
@EventLoop
final class FakeMember {
    /// The status that it reports.
    var status: MemberStatus
    /// Its reaction to a call.
    var onCall: @EventLoop (HTTP2ServerExchange) -> Void = { $0.answer() }
    /// Its reaction to a health check, if it does not report its status.
    var onCheck: (@EventLoop (HTTP2ServerExchange) -> Void)?
    /// It leaves health checks without an answer.
    var isMute = false
    private(set) var checkCount = 0
    private(set) var callCount = 0
    let server: FakeServer

    init(cluster: UInt64 = 7, leader: UInt64 = 1, isLearner: Bool = false) throws {
        status = MemberStatus()
        status.header.clusterID = cluster
        status.leaderNumber = leader
        status.isLearner = isLearner
        let script = Script()
        server = try FakeServer { script.member?.received($0) }
        script.member = self
    }

    /// The server's reference to the member, which does not exist yet when the server starts.
    @EventLoop
    private final class Script {
        weak var member: FakeMember?
    }

    var address: String { server.address }

    private func received(_ exchange: HTTP2ServerExchange) {
        if exchange.headers[":path"] == Wire.status.path {
            checkCount += 1
            if let onCheck { return onCheck(exchange) }
            if !isMute { exchange.answer(with: status) }
        } else {
            callCount += 1
            onCall(exchange)
        }
    }

    /// Lends members and a client of them all.
    static func with<Result>(
        _ members: [FakeMember],
        _ configure: (inout EtcdClient.Configuration) -> Void = { _ in },
        _ body: @EventLoop (EtcdClient) async throws -> Result
    ) async throws -> Result {
        var configuration = try EtcdClient.Configuration(endpoints: members.map(\.address))
        configure(&configuration)
        let client = try EtcdClient(configuration)
        do {
            let result = try await body(client)
            await client.close()
            for member in members { member.server.stop() }
            return result
        } catch {
            await client.close()
            for member in members { member.server.stop() }
            throw error
        }
    }
}

extension HTTP2ServerExchange {
    /// Answers with nothing but a revision.
    func answer(revision: Revision, cluster: UInt64 = 7) {
        var response = Wire.HeaderResponse()
        response.header.clusterID = cluster
        response.header.revision = revision
        answer(with: response)
    }
}
