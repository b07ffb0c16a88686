// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

/// The chapter on high availability.
extension Snippets {
    static func highAvailability(
        _ client: EtcdClient,
        serve: @escaping @Sendable (Revision) async throws -> Void,
        follow: @escaping @Sendable (Value?) -> Void
    ) async throws {
        var election = try LeaderElection("database", candidate: "10.0.0.7:5432", on: .client(client))
        election.drainTime = .seconds(3)
        let coordinator = HighAvailabilityCoordinator(on: election) { event in
            if case .overran(let role) = event { print("ALARM: the \(role) does not end") }
        } primary: { term in
            try await serve(term.fencingToken)
        } secondary: { primaries in
            for try await primary in primaries { follow(primary.candidate?.value) }
        }
        try await coordinator.run()
    }

    static func stamp(_ term: LeaderTerm) -> [String: String] {
        var headers: [String: String] = [:]
        headers[FenceGate.headerName] = FenceGate.headerValue(of: term.fencingToken)
        return headers
    }

    static func gate(_ election: LeaderElection, _ headers: [String: String]) async throws -> FenceGate {
        let gate = FenceGate(highest: try await election.leader()?.fencingToken ?? 0)
        try gate.admit(headerValue: headers[FenceGate.headerName])
        return gate
    }
}
