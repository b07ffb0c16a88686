// SPDX-License-Identifier: Apache-2.0

public import EtcdPatterns
import HTTPTypes
public import Hummingbird

/// Answers requests on the leader of an election only.
///
/// ```swift
/// router.group("admin")
///     .add(middleware: LeaderOnlyMiddleware(election) { leader in "http://\(leader.value)" })
///     .post("rebuild") { _, _ in try await rebuild() }
/// ```
///
/// Others answer with the status 307 and the address of the leader, to which the path and the query of the request are
/// appended. They answer with 503 while nobody leads, and when etcd does not name the leader within the timeout. So does a
/// process whose own candidacy is still the first, but no longer leads, as after a kill and a restart. A leader may lose
/// its leadership while it answers: use `LeaderTerm.guarded` for writes that must not happen then.
public struct LeaderOnlyMiddleware<Context: RequestContext>: RouterMiddleware {
    private let election: LeaderElection
    private let timeout: Duration
    private let address: (@Sendable (LeaderElection.Candidate) -> String?)?

    /// Makes the middleware.
    ///
    /// - Parameters:
    ///   - election: The election, in which this process takes part, as by `EtcdService.election`.
    ///   - timeout: How long a request waits for etcd to name the leader.
    ///   - address: The beginning of the leader's URLs, such as `http://10.0.0.7:8080`, by its candidate; nil for a
    ///     leader without one. The path and the query of the request are appended. Without the closure, each request is
    ///     refused.
    public init(
        _ election: LeaderElection,
        timeout: Duration = .seconds(2),
        redirectTo address: (@Sendable (LeaderElection.Candidate) -> String?)? = nil
    ) {
        self.election = election
        self.timeout = timeout
        self.address = address
    }

    /// Passes a request on if this process leads.
    ///
    /// - Parameters:
    ///   - request: The request.
    ///   - context: The context of the request.
    ///   - next: Answers on the leader.
    /// - Returns: The answer, or the redirection.
    /// - Throws: The error of `next`; `HTTPError` with the status 503 if this process does not lead, and the leader is
    ///   not known.
    public func handle(
        _ request: Request,
        context: Context,
        next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        if election.isLeader { return try await next(request, context) }
        // A redirection to this process itself would come back here.
        guard let address, let leader = await leader(), leader.value != election.candidate, let base = address(leader)
        else {
            throw HTTPError(.serviceUnavailable, headers: [.retryAfter: "1"], message: "this process does not lead")
        }
        return .redirect(to: base + request.uri.string, type: .temporary)
    }

    /// The leader; nil if there is none, or if etcd does not answer in time.
    private func leader() async -> LeaderElection.Candidate? {
        await withTaskGroup(of: LeaderElection.Candidate?.self) { [election, timeout] group in
            group.addTask { try? await election.leader() }
            group.addTask {
                try? await Task.sleep(for: timeout)
                return nil
            }
            let first: LeaderElection.Candidate? = await group.next() ?? nil
            group.cancelAll()
            return first
        }
    }
}
