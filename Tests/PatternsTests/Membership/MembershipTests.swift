// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("Membership", .cluster, .timeLimit(.minutes(2)))
struct MembershipTests {
    @Test("members see each other come and go, at the same epochs the same")
    func views() async throws {
        try await withLiveClient { client, name in
            let group = try MemberGroup("\(name)", on: .client(client))
            let seen = Lock<[[GroupView]]>([[], []])
            let watchers = (0..<2).map { number in
                Task {
                    for try await view in group.views { seen.withLock { $0[number].append(view) } }
                }
            }
            try await eventually("both have begun") { seen.withLock { $0.allSatisfy { $0.count == 1 } } }
            let b = try await group.join(as: "b", value: "10.0.0.2")
            try await group.withMembership(as: "a", value: "10.0.0.1") { a in
                #expect(a.isActive && b.isActive)
                let view = try await group.waitUntil(memberCount: 2)
                #expect(view.members.map(\.id) == ["a", "b"])
                #expect(view.members.map(\.value) == ["10.0.0.1", "10.0.0.2"])
                #expect(view["a"]?.token == a.token && view["b"]?.token == b.token)
                try await eventually("both have seen both") {
                    seen.withLock { $0.allSatisfy { $0.last?.members.count == 2 } }
                }
            }
            await b.leave()
            #expect(!b.isActive && b.token == nil)
            #expect(try await group.view().members.isEmpty)
            try await eventually("both have seen them go") {
                seen.withLock { $0.allSatisfy { $0.last?.members.isEmpty == true } }
            }
            for watcher in watchers {
                watcher.cancel()
                await expectCancellation { try await watcher.value }
            }
            let views = seen.withLock { $0 }
            for view in views[0] {
                for other in views[1] where other.epoch == view.epoch { #expect(other == view) }
            }
            let epochs = views.map { Set($0.map(\.epoch)) }
            #expect(!epochs[0].isDisjoint(with: epochs[1]), "the control: both have seen the same epoch")
            #expect(try await client.range(.prefix(name)).count == 0)
        }
    }

    @Test("of two with the same ID, the second gets an error, or its turn")
    func duplicate() async throws {
        try await withLiveClient { client, name in
            let group = try MemberGroup("\(name)", on: .client(client))
            let first = try await group.join(as: "a", value: "first")
            let error = await expectBusy { try await group.join(as: "a", timeout: .seconds(2)) }
            #expect(error?.name == "a" && error?.waited == .seconds(2))
            #expect(error?.description.contains("a member of \"\(name)\" already") == true, "\(error as Any)")
            let second = Task { try await group.join(as: "a", value: "second") }
            try await eventually("it waits") { try await client.range(.prefix(name)).count == 2 }
            #expect(try await group.view().members.map(\.value) == ["first"])
            await first.leave()
            let membership = try await second.value
            #expect(try await group.view().members.map(\.value) == ["second"])
            await membership.leave()
        }
    }

    @Test("a member whose key, or whose lease, is taken away comes again", arguments: [true, false])
    func loss(revokesLease: Bool) async throws {
        try await withLiveClient { client, name in
            let group = try MemberGroup("\(name)", on: .client(client))
            let membership = try await group.join(as: "a")
            let token = try #require(membership.token)
            let entry = try #require(try await client.range(.prefix(name)).entries.first)
            if revokesLease {
                try await client.leases.revoke(try #require(entry.lease))
            } else {
                try await client.delete(entry.key)
            }
            try await eventually("it is a member again") { membership.token ?? 0 > token }
            let view = try await group.waitUntil(memberCount: 1)
            #expect(view["a"]?.token == membership.token && view["a"]?.lease != entry.lease)
            await membership.leave()
            #expect(try await client.range(.prefix(name)).count == 0)
        }
    }

    @Test("without a way to the cluster a member knows in time that it is none, and comes again when there is one")
    func cutOff() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            try await withFaultProxy(to: endpoint) { proxy in
                let (cut, witness) = (
                    try EtcdClient(endpoints: proxy.endpoint), try EtcdClient(endpoints: endpoint)
                )
                let membership = try await MemberGroup("g", on: .client(cut, timeToLive: .seconds(2))).join(as: "a")
                let group = try MemberGroup("g", on: .client(witness))
                await proxy.stall()
                try await eventually("it is no member") { !membership.isActive }
                #expect(try await group.view().members.count == 1, "it knew before the server")
                try await eventually("the server knows") { try await group.view().members.isEmpty }
                await proxy.resume()
                try await eventually("it comes again") { membership.isActive }
                #expect(try await group.view()["a"]?.token == membership.token)
                await membership.leave()
                await cut.close()
                await witness.close()
            }
        }
    }

    @Test("an etcd that does not answer is not another with the ID")
    func silence() async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let group = try MemberGroup("g", on: .client(client))
            await proxy.stall()
            let error = await #expect(throws: EtcdError.self) {
                try await group.join(as: "a", timeout: .milliseconds(300))
            }
            #expect(error?.code == .unavailable && error?.message.contains("already") == false, "\(error as Any)")
            await proxy.resume()
            await proxy.cut()
            // The control: where another has it, that is said, and of which lease.
            let other = try await MemberGroup("g", on: .client(witness)).join(as: "a")
            let lease = try #require(try await group.view()["a"]?.lease)
            let refusal = await expectBusy { try await group.join(as: "a", timeout: .seconds(1)) }
            #expect(refusal?.description.contains("already, of lease \(lease)") == true, "\(refusal as Any)")
            await other.leave()
        }
    }

    @Test("joining ends with the place, not with the time that etcd would be waited for")
    func promptJoin() async throws {
        try await withLiveClient { client, name in
            let group = try MemberGroup("\(name)", on: .client(client))
            let start = ContinuousClock.now
            let membership = try await group.join(as: "a", initialWait: .seconds(40))
            #expect(membership.isActive && .now - start < .seconds(20))
            await membership.leave()
        }
    }

    @Test("without etcd a membership begins nevertheless, says what is wrong, and is active when there is one")
    func startWithoutEtcd() async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let group = try MemberGroup("g", on: .client(client.with(timeout: .milliseconds(500))))
            await proxy.stall()
            let start = ContinuousClock.now
            let membership = try await group.join(as: "a", initialWait: .seconds(1))
            #expect(.now - start >= .seconds(1) && !membership.isActive && membership.token == nil)
            #expect((membership.failure as? EtcdError)?.code.isTransient == true, "\(membership.failure as Any)")
            await proxy.resume()
            await proxy.cut()
            try await eventually("it is a member") { membership.isActive }
            #expect(membership.failure == nil)
            #expect(try await MemberGroup("g", on: .client(witness)).view()["a"]?.token == membership.token)
            await membership.leave()
        }
    }

    @Test("leaving without etcd takes as long as it may, and goes on in the background")
    func leavingWithoutEtcd() async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let membership = try await MemberGroup("g", on: .client(client, timeToLive: .seconds(60))).join(as: "a")
            let group = try MemberGroup("g", on: .client(witness))
            await proxy.stall()
            let start = ContinuousClock.now
            await membership.leave(timeout: .milliseconds(200))
            // Half of what it takes by default.
            #expect(ContinuousClock.now - start < .milliseconds(2500))
            #expect(try await group.view().members.count == 1, "the control: there was no way to leave")
            await proxy.resume()
            try await eventually("it has left") { try await group.view().members.isEmpty }
            #expect(!membership.isActive)
            await membership.leave()
        }
    }

    @Test("after an outage, a member does not wait for the end of its former lease")
    func ownLease() async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let client = client.with(timeout: .seconds(1))
            let place = try MemberPlace("a", "", in: MemberGroup("g", on: .client(client, timeToLive: .seconds(60))))
            let membership = Membership("a", place)
            try await membership.begin(timeout: nil, initialWait: .seconds(5))
            let token = try #require(membership.token)
            let key = try #require(try await witness.range(.prefix("g/")).entries.first)
            await proxy.stall()
            // As at its deadline, which is not waited for here.
            membership.session?.lifetime.end(CoordinationLoss(.deadline))
            try await eventually("it has tried to join") { membership.failure != nil }
            #expect(try await witness.get(key.key) != nil, "the control: its key is there")
            await proxy.resume()
            await proxy.cut()
            try await eventually("it is a member again") { membership.token ?? 0 > token }
            #expect(try await witness.leases.list().count == 1)
            await membership.leave()
        }
    }

    @Test("a key without a lease is not a member, and an error names it to a member that wants its ID")
    func stray() async throws {
        try await withLiveClient { client, name in
            let group = try MemberGroup("\(name)", on: .client(client))
            try await client.put(name + "/members/a/stray", "")
            #expect(try await group.view().members.isEmpty)
            let error = await #expect(throws: QueueBlocked.self) { try await group.join(as: "a") }
            #expect(error?.key == name + "/members/a/stray")
            try await group.withMembership(as: "b") { _ in
                let members = try await group.view().members.map(\.id)
                #expect(members == ["b"])
            }
            try await client.delete(.prefix(name))
        }
    }

    @Test("names and IDs that cannot be are refused, and foreign keys are no members")
    func arguments() async throws {
        try await withLiveClient { client, name in
            #expect(throws: EtcdError.self) { try MemberGroup("", on: .client(client)) }
            let group = try MemberGroup("\(name)", on: .client(client))
            await expectError(.invalidArgument) { try await group.join(as: "") }
            await expectError(.invalidArgument) { try await group.join(as: "a/b") }
            for key in ["a", "a/b/c", "/b"] { try await client.put(name + "/members/" + Key(key), "") }
            #expect(try await group.view().members.isEmpty)
            try await client.delete(.prefix(name))
        }
    }
}
