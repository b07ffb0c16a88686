// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdTesting

@Suite("Lease: in a cluster with authentication", .cluster, .timeLimit(.minutes(1)))
struct LeaseAuthTests {
    @Test("a lease that the user may not renew ends alone, although etcd ends the whole stream for it")
    func denied() async throws {
        try await withEtcdCluster { cluster in
            let timeToLive = Duration.seconds(3)
            let enforces = try await cluster.members[0].checksRenewals
            let direct = try EtcdClient(endpoints: cluster.endpoints)
            var leases: [Lease] = []
            for _ in 0..<20 { leases.append(try await direct.leases.grant(timeToLive: timeToLive)) }
            let denied = leases[7]
            for lease in leases {
                let folder: Key = lease.id == denied.id ? "theirs/" : "mine/"
                try await direct.put(folder + Key(lease.id.description), "1", lease: lease.id)
            }
            try await cluster.members[0].enableAuthentication(for: "worker", prefix: ("bWluZS8=", "bWluZTA="))
            await direct.close()

            let events = EventLog()
            var configuration = try events.configuration(cluster.endpoints)
            configuration.credentials = .user("worker", password: "secret")
            try await withEtcdClient(configuration) { client in
                var others: [KeepAliveSequence.Iterator] = []
                for lease in leases where lease.id != denied.id {
                    others.append(client.leases.keepAlive(lease).makeAsyncIterator())
                    _ = try await others[others.count - 1].next()
                }
                var iterator = client.leases.keepAlive(denied).makeAsyncIterator()
                if enforces {
                    await expectError(.permissionDenied) { while try await iterator.next() != nil {} }
                    #expect(events.losses == [denied.id])
                } else {
                    _ = try await iterator.next()
                }
                // Longer than a lease lives without a renewal.
                let end = ContinuousClock.now + timeToLive * 2
                while .now < end { _ = try await others[0].next() }
                for index in others.indices { _ = try await others[index].next() }
                #expect(events.losses.count == (enforces ? 1 : 0))
                let alive = try await client.range(.prefix("mine/")).count
                #expect(alive == 19)
                withExtendedLifetime(iterator) {}
            }
        }
    }

    @Test("leases are not lost when simple tokens expire between renewals")
    func expiringToken() async throws {
        let arguments = ["--auth-token=simple", "--auth-token-ttl=3"]
        try await withEtcdCluster(EtcdCluster.Options(memberCount: 3, extraArguments: arguments)) { cluster in
            try await cluster.members[0].enableAuthentication(for: "worker", prefix: ("bWluZS8=", "bWluZTA="))
            let events = EventLog()
            var configuration = try events.configuration(cluster.endpoints)
            configuration.credentials = .user("worker", password: "secret")
            try await withEtcdClient(configuration) { client in
                // A renewal every four seconds, while a token lives for three after its last use.
                let lease = try await client.leases.grant(timeToLive: .seconds(12))
                var states = client.leases.keepAlive(lease).makeAsyncIterator()
                for _ in 1...5 { #expect(try await states.next()?.isActive == true) }
                if try await cluster.members[0].checksRenewals {
                    #expect(events.authentications > 1, "the first token has expired")
                } else {
                    try await client.put("mine/k", "1")
                    #expect(events.authentications > 1, "the first token has expired")
                }
                #expect(events.losses.isEmpty)
            }
        }
    }
}

extension EtcdMember {
    /// Newer versions renew a lease only for those who may put its keys.
    fileprivate var checksRenewals: Bool {
        get async throws {
            let page = try await LoopbackHTTP.request("/version", port: portNumber, deadline: .now + .seconds(5)).text
            let text = page.split(separator: "etcdserver\":\"").last?.split(separator: "\"").first ?? ""
            let numbers = text.split(separator: ".").compactMap { Int($0) }
            return [[3, 4]: 42, [3, 5]: 28, [3, 6]: 9][Array(numbers.prefix(2))].map { $0 <= numbers.last ?? 0 } ?? true
        }
    }

    private var portNumber: UInt16 { endpoint.split(separator: ":").last.flatMap { UInt16($0) } ?? 0 }

    /// Makes a user who may do everything between two keys, which are in base 64, and switches authentication on.
    ///
    /// All passwords are "secret".
    fileprivate func enableAuthentication(for user: String, prefix: (start: String, end: String)) async throws {
        let permission = #"{"permType":"READWRITE","key":"\#(prefix.start)","range_end":"\#(prefix.end)"}"#
        for (path, body) in [
            ("user/add", #"{"name":"root","password":"secret"}"#),
            ("user/grant", #"{"user":"root","role":"root"}"#),
            ("user/add", #"{"name":"\#(user)","password":"secret"}"#),
            ("role/add", #"{"name":"\#(user)"}"#),
            ("role/grant", #"{"name":"\#(user)","perm":\#(permission)}"#),
            ("user/grant", #"{"user":"\#(user)","role":"\#(user)"}"#),
            ("enable", "{}"),
        ] {
            let deadline = ContinuousClock.now + .seconds(10)
            let answer = try await LoopbackHTTP.request(
                "/v3/auth/\(path)",
                posting: body,
                port: portNumber,
                deadline: deadline
            )
            #expect(answer.status == 200, "\(path): \(answer.text)")
        }
    }
}
