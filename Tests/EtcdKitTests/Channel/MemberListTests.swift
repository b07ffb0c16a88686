// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// Which parts of a list of members are used, with a scripted member.
@Suite("Cluster: lists of members", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct MemberListTests {
    /// Lends a client whose member says that the cluster's members have `urls`.
    private func with(
        _ urls: @escaping @Sendable @EventLoop (FakeMember) -> [[String]],
        _ configure: (inout EtcdClient.Configuration) -> Void = { _ in },
        _ body: @EventLoop (EtcdClient, FakeMember) async throws -> Void
    ) async throws {
        let member = try FakeMember()
        member.onCall = { exchange in
            guard exchange.headers[":path"] == Wire.memberList.path else { return exchange.answer() }
            var list = Wire.MembersResponse()
            list.header.clusterID = 7
            list.members = urls(member).enumerated().map { number, urls in
                var entry = Member()
                entry.id = Member.ID(rawValue: UInt64(number + 1))
                entry.name = "m\(number)"
                entry.clientURLs = urls
                return entry
            }
            exchange.answer(with: list)
        }
        try await FakeMember.with([member], configure) { try await body($0, member) }
    }

    @Test("an endpoint that is only written differently keeps its connection")
    func spelling() async throws {
        let log = EventLog()
        try await with({ [["http://\($0.address)"], ["HTTP://\($0.address)/"]] }, { log.attach(to: &$0) }) {
            client,
            member in
            let before = await client.endpoints
            #expect(try await client.syncEndpoints() == before)
            _ = try await client.get("k")
            #expect(member.server.connections.count == 1)
            #expect(!log.contains { if case .endpointsChanged = $0 { true } else { false } })
            // A call to one endpoint compares the dialled addresses, too.
            _ = try await client.maintenance.status(of: Endpoint("http://\(member.address)"))
            #expect(member.server.connections.count == 1)
        }
    }

    @Test("names are compared without regard to case; another port or TLS is another endpoint")
    func targets() throws {
        let plain = TLSContextSource(nil)
        let secure = TLSContextSource(TLSConfiguration())
        func isSame(_ left: String, _ right: String, _ source: TLSContextSource) throws -> Bool {
            try source.target(of: Endpoint(left)) == source.target(of: Endpoint(right))
        }
        for (left, right, source) in [("etcd:1", "http://ETCD:1/", plain), ("etcd:1", "https://Etcd:1", secure)] {
            #expect(try isSame(left, right, source), "\(left) and \(right)")
        }
        for (left, right, source) in [
            ("etcd:1", "https://etcd:1", plain), ("etcd:1", "http://etcd:1", secure), ("etcd:1", "etcd:2", plain),
            ("unix://a", "unix://A", plain), ("unix://a", "unixs://a", plain), ("localhost:1", "unix://a", plain),
        ] {
            #expect(try !isSame(left, right, source), "\(left) and \(right)")
        }
    }

    @Test("an endpoint that a member adds is added once, and the existing connection is kept")
    func addition() async throws {
        let other = try FakeMember()
        defer { other.server.stop() }
        let urls: @Sendable @EventLoop (FakeMember) -> [[String]] = { member in
            [["http://\(member.address)"], ["http://\(other.address)", "\(other.address)"]]
        }
        try await with(urls) { client, member in
            #expect(try await client.syncEndpoints().map(\.description) == [member.address, other.address])
            try await eventually("both are connected") {
                _ = try await client.get("k")
                return client.core.channel.links.count == 2
            }
            #expect(member.server.connections.count == 1 && other.server.connections.count == 1)
        }
    }

    @Test("a Unix socket of the list is used only if it is in the configuration")
    func unixSocket() async throws {
        let urls: @Sendable @EventLoop (FakeMember) -> [[String]] = { member in
            [["unix:///run/other.sock", "unixs:///run/other.sock", "http://\(member.address)"]]
        }
        try await with(urls) { client, member in
            let endpoints = try await client.syncEndpoints()
            #expect(endpoints.map(\.description) == [member.address])
        }
        try await with({ _ in [["unix:///run/other.sock"]] }) { client, member in
            let endpoints = try await client.syncEndpoints()
            #expect(endpoints.map(\.description) == [member.address])
            _ = try await client.get("k")
        }
        // The control: a socket that the user has named.
        let socket = try Endpoint("unix:///run/other.sock")
        try await with(urls, { $0.endpoints.append(socket) }) { client, member in
            let endpoints = try await client.syncEndpoints().map(\.description)
            #expect(Set(endpoints) == ["unix:///run/other.sock", "unixs:///run/other.sock", member.address])
        }
    }

    @Test("a list of thousands of URLs is not used, whether they are of one member or of many")
    func flood() async throws {
        let port: @Sendable (Int) -> String = { number in "http://127.0.0.1:\(10_000 + number)" }
        try await with({ _ in (0..<5000).map { [port($0)] } }) { client, _ in
            let endpoints = try await client.syncEndpoints()
            #expect(endpoints.count == 64)
        }
        try await with({ [(0..<5000).map(port), ["http://\($0.address)"]] }) { client, member in
            let endpoints = try await client.syncEndpoints()
            // The other members stay in the list.
            #expect(endpoints.count == 9 && endpoints.last?.description == member.address)
        }
    }
}
