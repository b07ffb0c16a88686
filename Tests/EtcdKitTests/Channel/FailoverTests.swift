// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// Which of several endpoints gets a call, and the treatment of a call that fails there.
@Suite("EtcdClient: failover between endpoints", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct FailoverTests {
    private func isReady(_ client: EtcdClient, _ count: Int) async throws {
        _ = try await client.get("k")
        try await eventually("all are connected") { client.core.channel.links.count == count }
    }

    @Test("calls go to all endpoints in turn, or stay with one", arguments: [FailoverPolicy.roundRobin, .sticky])
    func policies(policy: FailoverPolicy) async throws {
        let members = [try FakeMember(), try FakeMember(), try FakeMember()]
        try await FakeMember.with(members, { $0.failover = policy }) { client in
            try await isReady(client, policy == .sticky ? 1 : 3)
            let before = members.map(\.callCount)
            for _ in 0..<30 { _ = try await client.get("k") }
            let calls = zip(members, before).map { $0.callCount - $1 }
            #expect(calls.sorted() == (policy == .sticky ? [0, 0, 30] : [10, 10, 10]))
            #expect(members.map(\.checkCount).reduce(0, +) == (policy == .sticky ? 1 : 3))
        }
    }

    @Test("a single endpoint gets no health checks")
    func onlyEndpoint() async throws {
        let member = try FakeMember(leader: 0)
        try await FakeMember.with([member]) { client in
            _ = try await client.get("k")
            #expect(member.checkCount == 0)
        }
    }

    @Test(
        "a member that is a learner or has no leader gets calls only if there is no other",
        arguments: [(leader: UInt64(0), isLearner: false), (leader: 1, isLearner: true)]
    )
    func unfit(leader: UInt64, isLearner: Bool) async throws {
        let unfit = try FakeMember(leader: leader, isLearner: isLearner)
        let well = try FakeMember()
        let log = EventLog()
        try await FakeMember.with([unfit, well], { log.attach(to: &$0) }) { client in
            try await isReady(client, 2)
            let before = unfit.callCount
            for _ in 0..<10 { _ = try await client.get("k") }
            #expect(unfit.callCount == before)
            #expect(log.count { if case .suspected = $0 { true } else { false } } == 1)

            well.server.stop()
            _ = try await client.get("k")
            #expect(unfit.callCount > before)
        }
    }

    @Test("calls that wait for a connection do not go to an unfit member that is connected first")
    func unfitFirst() async throws {
        let unfit = try FakeMember(isLearner: true)
        let well = try FakeMember()
        var held: [HTTP2ServerExchange] = []
        well.onCheck = { held.append($0) }
        let log = EventLog()
        try await FakeMember.with(
            [unfit, well],
            {
                log.attach(to: &$0)
                $0.retry = .never
            }
        ) { client in
            let calls = (0..<5).map { _ in Task { try await client.get("k") } }
            try await eventually("one is suspected, and the other is asked how it is") {
                log.contains { if case .suspected = $0 { true } else { false } } && held.count == 1
            }
            held[0].answer(with: well.status)
            for call in calls { _ = try await call.value }
            #expect(unfit.callCount == 0 && well.callCount == 5)
        }
    }

    @Test("a member that has found its leader gets calls again")
    func recovered() async throws {
        let member = try FakeMember(leader: 0)
        let other = try FakeMember()
        let log = EventLog()
        try await FakeMember.with([member, other], { log.attach(to: &$0) }) { client in
            try await isReady(client, 2)
            member.status.leaderNumber = 1
            try await eventually("it is trusted") { log.contains { if case .trusted = $0 { true } else { false } } }
            let before = member.callCount
            for _ in 0..<10 { _ = try await client.get("k") }
            #expect(member.callCount == before + 5)
        }
    }

    @Test("a read with little time goes elsewhere after half of it; only a silent endpoint is suspected by then")
    func shortDeadline() async throws {
        let slow = try FakeMember()
        let other = try FakeMember()
        let log = EventLog()
        func isSuspected() -> Bool { log.contains { if case .suspected = $0 { true } else { false } } }
        try await FakeMember.with([slow, other], { log.attach(to: &$0) }) { client in
            try await isReady(client, 2)
            slow.onCall = { if $0.headers[":path"] != Wire.range.path { $0.answer() } }
            let hasty = client.with(timeout: .seconds(1))
            let chatter = Task {
                while !Task.isCancelled { try await client.put("k", "v") }
            }
            let before = slow.callCount
            for _ in 0..<4 { _ = try await hasty.get("k") }
            chatter.cancel()
            _ = await chatter.result
            #expect(slow.callCount > before && !isSuspected())

            slow.server.connections[0].goSilent()
            for _ in 0..<2 { _ = try await hasty.get("k") }
            try await eventually("it is suspected") { isSuspected() }
        }
    }

    @Test(
        "a silent endpoint is detected soon, also if it was suspected before and there is no better one",
        arguments: [true, false]
    )
    func silenceUnderSuspicion(isCalled: Bool) async throws {
        let members = [try FakeMember(leader: 0), try FakeMember(leader: 0)]
        try await FakeMember.with(
            members,
            {
                $0.retry.attemptTimeout = .milliseconds(200)
                $0.pingTimeout = .milliseconds(200)
            }
        ) { client in
            try await isReady(client, 2)
            // After these, the next health check would be seconds later.
            try await eventually("it was examined often") { members[0].checkCount >= 5 }
            members[0].server.connections[0].goSilent()
            let lost = members[0].server.connections[0]
            @EventLoop func isGivenUp() -> Bool {
                !client.core.channel.links.contains { "\($0.endpoint)" == members[0].address }
            }
            guard isCalled else {
                // The control: without a call that stalls, the next health check is seconds later.
                try await Task.sleep(for: .seconds(2))
                return #expect(!isGivenUp())
            }
            let start = ContinuousClock.now
            var failures: [EtcdError] = []
            for _ in 0..<2 {
                do throws(EtcdError) { try await client.put("k", "v") } catch { failures.append(error) }
            }
            #expect(ContinuousClock.now - start < .seconds(3))
            // One of the calls was on that connection, and failed with it.
            #expect(failures.map(\.code) == [.ambiguous] && lost.isSilent, "\(failures)")
            #expect(failures.first?.description.contains("about its health") == true, "\(failures)")
        }
    }

    @Test("a member of another cluster gets no call, and the error names it (bug class: mixed endpoint lists)")
    func foreignCluster() async throws {
        let own = try FakeMember(cluster: 7)
        let log = EventLog()
        let foreign = try FakeMember(cluster: 8)
        try await FakeMember.with(
            [own, foreign],
            {
                log.attach(to: &$0); $0.failover = .sticky
            }
        ) { client in
            _ = try await client.get("k")
            own.server.stop()
            let error = await #expect(throws: EtcdError.self) {
                _ = try await client.with(timeout: .milliseconds(500)).get("k")
            }
            #expect(
                error?.message.contains("belongs to the cluster 8, not to 7") == true,
                "\(String(describing: error))"
            )
            #expect(foreign.callCount == 0)
        }
    }

    @Test("an answer of another cluster at the same address is refused")
    func replacedCluster() async throws {
        let member = try FakeMember()
        try await FakeMember.with([member]) { client in
            member.onCall = { $0.answer(revision: 5, cluster: 7) }
            _ = try await client.get("k")
            member.onCall = { $0.answer(revision: 5, cluster: 9) }
            await expectError(.clusterMismatch) { try await client.get("k") }
        }
    }

    @Test("a revision below one seen before the call is reported, once (etcd#14303)")
    func fallingRevision() async throws {
        let member = try FakeMember()
        let log = EventLog()
        try await FakeMember.with([member], { log.attach(to: &$0) }) { client in
            for revision in [10, 12, 12, 9, 9, 10] as [Revision] {
                member.onCall = { $0.answer(revision: revision) }
                _ = try await client.get("k")
            }
            // A serializable read may be behind.
            member.onCall = { $0.answer(revision: 1) }
            _ = try await client.get("k", serializable: true)
            let falls = log.events.compactMap { event -> [Revision]? in
                if case .revisionFell(let high, let low, _) = event { [high, low] } else { nil }
            }
            #expect(falls == [[12, 9]])
        }
    }

    // MARK: Stalls

    @Test("a read that gets no answer goes to the next endpoint, and later calls avoid the first (etcd#8660)")
    func stalledRead() async throws {
        let members = [try FakeMember(), try FakeMember()]
        try await FakeMember.with(members, { $0.retry.attemptTimeout = .milliseconds(200) }) { client in
            try await isReady(client, 2)
            let stalled = members[0]
            stalled.onCall = { _ in }
            let start = ContinuousClock.now
            for _ in 0..<2 { _ = try await client.get("k") }
            #expect(ContinuousClock.now - start < .seconds(2))
            let calls = stalled.callCount
            for _ in 0..<10 { _ = try await client.get("k") }
            #expect(stalled.callCount == calls)
        }
    }

    @Test("the control: without another endpoint, the read waits for its deadline")
    func stalledAlone() async throws {
        let member = try FakeMember()
        member.onCall = { _ in }
        try await FakeMember.with([member], { $0.retry.attemptTimeout = .milliseconds(50) }) { client in
            let start = ContinuousClock.now
            await expectError(.deadlineExceeded) { try await client.with(timeout: .milliseconds(500)).get("k") }
            #expect(ContinuousClock.now - start >= .milliseconds(500))
            #expect(member.callCount == 1)
        }
    }

    @Test("a write that gets no answer is not repeated, and is ambiguous at its deadline (etcd#14890)")
    func stalledWrite() async throws {
        let members = [try FakeMember(), try FakeMember()]
        for member in members { member.onCall = { _ in } }
        try await FakeMember.with(members, { $0.retry.attemptTimeout = .milliseconds(50) }) { client in
            await expectError(.ambiguous) { try await client.with(timeout: .milliseconds(500)).put("k", "v") }
            #expect(members.map(\.callCount).reduce(0, +) == 1)
        }
    }

    @Test("an answer that has begun to arrive does not count as a stall")
    func slowAnswer() async throws {
        let members = [try FakeMember(), try FakeMember()]
        for member in members {
            member.onCall = { exchange in
                exchange.send(HTTP2ServerExchange.grpcHeaders)
                _ = EventLoop.schedule(at: .now + .milliseconds(400)) {
                    exchange.send(HTTP2ServerExchange.frame([]))
                    exchange.end(trailers: [("grpc-status", "0")])
                }
            }
        }
        try await FakeMember.with(members, { $0.retry.attemptTimeout = .milliseconds(50) }) { client in
            _ = try await client.get("k")
            #expect(members.map(\.callCount).reduce(0, +) == 1)
        }
    }

    @Test("an endpoint that no longer answers health checks loses its connection")
    func mute() async throws {
        let members = [try FakeMember(), try FakeMember()]
        let log = EventLog()
        try await FakeMember.with(
            members,
            {
                $0.retry.attemptTimeout = .milliseconds(100)
                $0.pingTimeout = .milliseconds(200)
                log.attach(to: &$0)
            }
        ) { client in
            try await isReady(client, 2)
            members[0].isMute = true
            members[0].onCall = { _ in }
            for _ in 0..<2 { _ = try await client.get("k") }
            try await eventually("the connection is given up") {
                log.contains {
                    if case .disconnected(let endpoint, _) = $0 { "\(endpoint)" == members[0].address } else { false }
                }
            }
        }
    }

    // MARK: Failures

    /// The answer of a member, whether a read is repeated elsewhere, and the code of a write.
    enum Refusal: String, CaseIterable {
        case noLeader = "etcdserver: no leader"
        case tooManyRequests = "etcdserver: too many requests"
        case learner = "etcdserver: rpc not supported for learner"
        case dropped = "raft proposal dropped"
        case timedOut = "etcdserver: request timed out"
        case leaderChanged = "etcdserver: leader changed"
        case stopped = "etcdserver: server stopped"
        case noSpace = "etcdserver: mvcc: database space exceeded"
        case denied = "etcdserver: permission denied"

        var repeatsRead: Bool { ![.noSpace, .denied].contains(self) }
        var repeatsWrite: Bool { [.noLeader, .tooManyRequests, .learner, .dropped].contains(self) }
        var isAmbiguous: Bool { [.timedOut, .leaderChanged, .stopped].contains(self) }
    }

    @Test("a refused call is repeated at another endpoint if that is safe", arguments: Refusal.allCases)
    func refusal(refusal: Refusal) async throws {
        let code: GRPCStatus.Code = refusal == .tooManyRequests ? .unknown : .unavailable
        for isRead in [true, false] {
            let members = [try FakeMember(), try FakeMember()]
            for member in members {
                member.onCall = { exchange in
                    // The first call of all is refused.
                    if members.map(\.callCount).reduce(0, +) == 1 {
                        exchange.refuse(code, refusal.rawValue)
                    } else {
                        exchange.answer()
                    }
                }
            }
            let error = try await FakeMember.with(members) { client -> EtcdError? in
                do throws(EtcdError) {
                    if isRead { _ = try await client.get("k") } else { try await client.put("k", "v") }
                    return nil
                } catch {
                    return error
                }
            }
            let isRepeated = isRead ? refusal.repeatsRead : refusal.repeatsWrite
            #expect((error == nil) == isRepeated, "\(isRead): \(String(describing: error))")
            #expect(members.map(\.callCount).reduce(0, +) == (isRepeated ? 2 : 1))
            if isRepeated, refusal != .dropped { #expect(members.map(\.callCount) == [1, 1], "elsewhere") }
            if !isRead && refusal.isAmbiguous { #expect(error?.code == .ambiguous) }
        }
    }

    @Test(
        "a member that times out, stops or is corrupt is avoided; one that refuses a call is not",
        arguments: [
            ("etcdserver: request timed out", true), ("etcdserver: server stopped", true),
            ("etcdserver: corrupt cluster", true), ("etcdserver: permission denied", false),
            ("raft proposal dropped", false),
        ]
    )
    func answersThatCastSuspicion(text: String, isSuspected: Bool) async throws {
        let members = [try FakeMember(), try FakeMember()]
        let log = EventLog()
        try await FakeMember.with(members, { log.attach(to: &$0) }) { client in
            try await isReady(client, 2)
            members[0].onCall = { $0.refuse(.unknown, text) }
            for _ in 0..<2 { _ = try? await client.with(retry: .never).get("k") }
            func suspicions() -> [String] {
                log.events.compactMap { if case .suspected(let place, _) = $0 { "\(place)" } else { nil } }
            }
            if isSuspected { try await eventually("it is suspected") { !suspicions().isEmpty } }
            let before = members.map(\.callCount)
            for _ in 0..<4 { _ = try? await client.with(retry: .never).get("k") }
            let calls = zip(members, before).map { $0.callCount - $1 }
            #expect(calls == (isSuspected ? [0, 4] : [2, 2]))
            #expect(suspicions() == (isSuspected ? [members[0].address] : []))
        }
    }

    @Test("a proposal that the leader has dropped is repeated after a pause, not elsewhere at once")
    func droppedProposal() async throws {
        let members = [try FakeMember(), try FakeMember()]
        let pause = Duration.milliseconds(300)
        try await FakeMember.with(
            members,
            { $0.retry.backoff = Backoff(initial: pause, maximum: pause, jitter: 0) }
        ) { client in
            try await isReady(client, 2)
            var isFirst = true
            for member in members {
                member.onCall = { exchange in
                    if isFirst { exchange.refuse(.unknown, "raft proposal dropped") } else { exchange.answer() }
                    isFirst = false
                }
            }
            let start = ContinuousClock.now
            try await client.put("k", "v")
            #expect(ContinuousClock.now - start >= pause)
            for member in members { member.onCall = { $0.refuse(.unknown, "raft proposal dropped") } }
            await expectError(.proposalDropped) { try await client.with(timeout: .milliseconds(500)).put("k", "v") }
        }
    }

    @Test("with the policy never, nothing is repeated (etcd#13344)")
    func never() async throws {
        let members = [try FakeMember(), try FakeMember()]
        for member in members { member.onCall = { $0.refuse(.unavailable, "etcdserver: no leader") } }
        try await FakeMember.with(members, { $0.retry = .never }) { client in
            await expectError(.noLeader) { try await client.get("k") }
            #expect(members.map(\.callCount).reduce(0, +) == 1)
            await expectError(.noLeader) { try await client.with(retry: RetryPolicy(maximumAttempts: 3)).get("k") }
            #expect(members.map(\.callCount).reduce(0, +) == 4)
        }
    }

    @Test("when all members refuse, the call ends with their reason and not later than its deadline")
    func allRefuse() async throws {
        let members = [try FakeMember(), try FakeMember()]
        for member in members { member.onCall = { $0.refuse(.unavailable, "etcdserver: no leader") } }
        try await FakeMember.with(members) { client in
            let start = ContinuousClock.now
            await expectError(.noLeader) { try await client.with(timeout: .milliseconds(400)).put("k", "v") }
            #expect(ContinuousClock.now - start <= .milliseconds(500))
            #expect(members.map(\.callCount).reduce(0, +) > 2)
        }
    }

    @Test("a call without time for another attempt ends with the error of the last one")
    func noTimeForAnother() async throws {
        let members = [try FakeMember(), try FakeMember()]
        for member in members { member.onCall = { $0.refuse(.unavailable, "etcdserver: no leader") } }
        try await FakeMember.with(members) { client in
            let pause = Duration.milliseconds(20)
            let retry = RetryPolicy(backoff: Backoff(initial: pause, maximum: pause, jitter: 0))
            var codes: Set<EtcdError.Code?> = []
            // The first call connects, so that this takes no time of the later ones.
            await expectError(.noLeader) { try await client.with(retry: .never).put("k", "v") }
            // In some calls, the pause ends just after the deadline, and in some an attempt is under way then.
            for margin in 1...60 {
                let timeout = pause + .microseconds(100) * margin
                let before = members.map(\.callCount)
                let error = await failure { () throws(EtcdError) in
                    try await client.with(timeout: timeout).with(retry: retry).put("k", "v")
                }
                // On a busy machine, the time of a call may be over before it is sent.
                if members.map(\.callCount) != before { codes.insert(error?.code) }
            }
            #expect(codes.contains(.noLeader) && codes.isSubset(of: [.noLeader, .ambiguous]), "\(codes)")
        }
    }

    // MARK: Events

    @Test("a call is reported with its method, endpoint, attempts, sizes and code")
    func callEvents() async throws {
        let member = try FakeMember()
        let log = EventLog()
        try await FakeMember.with([member], { log.attach(to: &$0) }) { client in
            var isFirst = true
            member.onCall = { exchange in
                if isFirst { exchange.reset(.refusedStream) } else { exchange.answer() }
                isFirst = false
            }
            try await client.put("key", "value")
            let finished = log.events.compactMap { event -> (EtcdClient.Call, EtcdClient.CallOutcome)? in
                if case .callFinished(let call, let outcome) = event { (call, outcome) } else { nil }
            }
            let (call, outcome) = try #require(finished.first)
            #expect(finished.count == 1)
            #expect(call.method == "/etcdserverpb.KV/Put")
            #expect(call.requestSize == 5 + 2 + 3 + 2 + 5)
            #expect(outcome.attempts == 2)
            #expect(outcome.endpoint?.description == member.address)
            #expect(outcome.responseSize == 5)
            #expect(outcome.code == nil)
            #expect(outcome.duration > .zero)
            #expect(log.count { if case .callStarted(call) = $0 { true } else { false } } == 1)
            #expect(log.count { if case .callRetried(call, _, _) = $0 { true } else { false } } == 1)
            #expect(log.count { if case .connected = $0 { true } else { false } } == 1)
        }
    }
}
