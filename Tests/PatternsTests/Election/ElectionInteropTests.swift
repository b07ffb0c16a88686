// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("LeaderElection: shared with etcdctl", .live, .timeLimit(.minutes(2)))
struct ElectionInteropTests {
    @Test("etcdctl and we hand the leadership to each other")
    func handOver() async throws {
        try await withSession { session, name in
            let endpoint = try await liveEndpoint()
            let election = try LeaderElection("\(name)", candidate: "swift", on: .session(session))
            let first = try await EtcdCtl(["elect", "\(name)", "go-1"], endpoint: endpoint)
            try await eventually("etcdctl leads") { first.output.contains("go-1") }
            #expect(try await election.leader()?.value == "go-1")
            await expectBusy { try await election.campaign(timeout: .milliseconds(200)) }
            let waiting = Task { try await election.campaign() }
            try await eventually("we wait") { try await election.candidates().count == 2 }
            let second = try await EtcdCtl(["elect", "\(name)", "go-2"], endpoint: endpoint)
            try await eventually("etcdctl waits") { try await election.candidates().count == 3 }
            try await first.interrupt()
            let term = try await waiting.value
            #expect(second.output.isEmpty)
            #expect(try await election.candidates().map(\.value) == ["swift", "go-2"])
            await term.resign()
            try await eventually("etcdctl leads again") { second.output.contains("go-2") }
            try await second.interrupt()
            #expect(try await election.leader() == nil)
        }
    }

    @Test("etcdctl elect -l shows what we proclaim, and who follows us")
    func listening() async throws {
        try await withSession { session, name in
            let election = try LeaderElection("\(name)", candidate: "swift", on: .session(session))
            let term = try await election.campaign()
            let listener = try await EtcdCtl(["elect", "-l", "\(name)"], endpoint: try await liveEndpoint())
            try await eventually("etcdctl shows the leader") { listener.output.contains("swift") }
            try await term.proclaim("10.0.0.7:80")
            try await eventually("etcdctl shows the proclaimed value") { listener.output.contains("10.0.0.7:80") }
            let next = Task { try await LeaderElection("\(name)", candidate: "next", on: .session(session)).campaign() }
            try await eventually("the next one waits") { try await election.candidates().count == 2 }
            await term.resign()
            try await eventually("etcdctl shows the next one") { listener.output.contains("next") }
            await (try await next.value).resign()
            try await listener.interrupt()
        }
    }
}
