// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdTesting

/// Three members, each behind a proxy for its clients, and the means to harm them.
struct FaultField: Sendable {
    let cluster: EtcdCluster
    let proxies: [FaultProxy]

    /// Where clients reach the members, in their order.
    var endpoints: [String] { proxies.map(\.endpoint) }

    /// Lends a field to `body`.
    static func lend<Result>(_ body: (FaultField) async throws -> Result) async throws -> Result {
        var options = EtcdCluster.Options(memberCount: 3)
        options.canIsolate = true
        return try await withEtcdCluster(options) { cluster in
            var proxies: [FaultProxy] = []
            for endpoint in cluster.endpoints { proxies.append(try await .start(to: endpoint)) }
            let result = try await body(FaultField(cluster: cluster, proxies: proxies))
            for proxy in proxies { await proxy.stop() }
            return result
        }
    }

    /// Runs the steps of a round, each at its time, and returns when all faults are healed and the members are ready.
    func play(_ round: [FaultSchedule.Step], _ recorder: FaultRecorder) async throws {
        let beginning = ContinuousClock.now
        try await withThrowingDiscardingTaskGroup { group in
            for step in round {
                group.addTask {
                    try await Task.sleep(until: beginning + step.start)
                    try await withFault(step.fault, at: step.member) {
                        try await Task.sleep(until: max(beginning + step.end, .now))
                    }
                    if step.fault == .frozen { recorder.recordAwakening() }
                }
            }
        }
        try await withThrowingDiscardingTaskGroup { group in
            for member in cluster.members { group.addTask { try await member.waitUntilReady() } }
        }
    }

    /// Harms a member while `body` runs, and repairs it however `body` ends.
    ///
    /// A member that was killed is started again, and need not be ready yet: the next fault may be its own.
    func withFault<Result>(_ fault: Fault, at index: Int, _ body: () async throws -> Result) async throws -> Result {
        try await begin(fault, index)
        let result: Result
        do {
            result = try await body()
        } catch {
            // The first error is more useful.
            try? await end(fault, index)
            throw error
        }
        try await end(fault, index)
        return result
    }

    private func begin(_ fault: Fault, _ index: Int) async throws {
        let member = try #require(cluster.members.dropFirst(index).first)
        let proxy = try #require(proxies.dropFirst(index).first)
        switch fault {
        case .killed: await member.kill()
        case .frozen: await member.freeze()
        case .isolated: await cluster.isolate(member)
        case .unreachable: await proxy.blackhole()
        case .answersLost: await proxy.blackhole(.toClient)
        case .stalled: await proxy.stall()
        case .reset: await proxy.reset()
        case .cut: await proxy.cut()
        case .refused:
            await proxy.refuseConnections()
            await proxy.reset()
        }
    }

    private func end(_ fault: Fault, _ index: Int) async throws {
        let member = try #require(cluster.members.dropFirst(index).first)
        let proxy = try #require(proxies.dropFirst(index).first)
        switch fault {
        case .killed: try member.start()
        case .frozen: member.thaw()
        case .isolated: await cluster.heal(member)
        case .unreachable, .answersLost, .stalled: await proxy.resume()
        case .refused: try await proxy.acceptConnections()
        case .reset, .cut: break
        }
    }
}

extension Task where Success == Never, Failure == Never {
    fileprivate static func sleep(until instant: ContinuousClock.Instant) async throws {
        try await sleep(until: instant, clock: .continuous)
    }
}
