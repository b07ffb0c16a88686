// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// The monitor's own connection to one member.
///
/// It does not repeat a probe.
final class MemberConnection: Sendable {
    let endpoint: Endpoint
    private let metricsEndpoint: Endpoint
    private let client: EtcdClient
    private let http: HTTPClient
    private let timeout: Duration
    private let mismatch = Lock(false)

    /// Makes a connection to `endpoint` with the settings of `configuration`.
    ///
    /// Metrics may have another endpoint.
    init(
        _ endpoint: Endpoint,
        metricsEndpoint: Endpoint?,
        _ configuration: EtcdClient.Configuration,
        http: HTTPClient,
        timeout: Duration
    ) throws(EtcdError) {
        var pinned = configuration
        pinned.endpoints = [endpoint]
        pinned.endpointSyncInterval = nil
        pinned.waitsForConnection = false
        pinned.connectTimeout = timeout
        pinned.callTimeout = timeout
        pinned.pingTimeout = max(timeout, .seconds(2))
        // A member that returns must be visible at the next poll.
        pinned.backoff = Backoff(initial: .milliseconds(50), maximum: .milliseconds(200))
        // The second attempt is for a connection that turns out to be broken.
        pinned.retry = RetryPolicy(maximumAttempts: 2)
        pinned.onEvent = nil
        self.endpoint = endpoint
        self.metricsEndpoint = metricsEndpoint ?? endpoint
        self.timeout = timeout
        client = try EtcdClient(pinned)
        self.http = http
    }

    func close() async { await client.close() }

    /// Whether another cluster now answers at the endpoint, which the client refuses from then on.
    var leadsToAnotherCluster: Bool { mismatch.withLock(\.self) }

    // MARK: gRPC

    func status() async -> Probe<MemberStatus> {
        await ask { () async throws(EtcdError) in try await client.maintenance.status(of: endpoint) }
    }

    func memberList() async -> Probe<[Member]> {
        await ask { () async throws(EtcdError) in try await client.cluster.list(linearizable: false) }
    }

    /// Reads a key, which need not exist, and returns the revision of the store.
    func read(_ key: Key, serializable: Bool) async -> Probe<Revision> {
        await ask { () async throws(EtcdError) in
            var options = RangeOptions()
            options.keysOnly = true
            options.serializable = serializable
            return try await client.range(.key(key), options: options).header.revision
        }
    }

    /// Whether authentication is on; nil where etcd does not report it, as before 3.5.
    func isAuthEnabled() async -> Bool? { try? await client.auth.status().isEnabled }

    func hash(at revision: Revision) async -> Probe<KeyValueHash> {
        // A hash reads the whole database.
        let client = client.with(timeout: max(timeout, .seconds(30)))
        return await ask { () async throws(EtcdError) in
            try await client.maintenance.keyValueHash(of: endpoint, at: revision)
        }
    }

    private func ask<Answer: Sendable>(_ question: () async throws(EtcdError) -> Answer) async -> Probe<Answer> {
        let start = ContinuousClock.now
        do throws(EtcdError) {
            let answer = try await question()
            return .answered(answer, latency: .now - start)
        } catch {
            if error.code == .cancelled { return .skipped }
            if error.code == .clusterMismatch { mismatch.withLock { $0 = true } }
            return .failed(ProbeFailure(error, isLate: .now - start >= timeout * 0.9))
        }
    }

    // MARK: HTTP

    /// Reads the metrics, with the clock and the certificates that the response reveals, and the state of Raft.
    func visit() async -> MetricsVisit {
        async let raft = raft()
        let accept: HTTPHeaders = ["Accept": "text/plain;version=0.0.4"]
        var visit = MetricsVisit()
        switch await get("/metrics", accept) {
        case .failure(let failure):
            visit.metrics = .failed(failure)
        case .success(let exchange):
            (visit.clockOffset, visit.certificates) = (exchange.clockOffset, exchange.certificates)
            do throws(ExpositionError) {
                let page = try Exposition(parsing: exchange.body, keeping: MetricsCatalogue.keeps)
                visit.metrics = .answered(page, latency: .seconds(exchange.seconds))
            } catch {
                visit.metrics = .failed(ProbeFailure(.malformed, "\(error)"))
            }
        }
        visit.raft = await raft
        return visit
    }

    private func raft() async -> Probe<RaftState> {
        switch await get("/debug/vars", [:]) {
        case .failure(let failure): return .failed(failure)
        case .success(let exchange):
            guard let state = RaftState(variables: exchange.body) else {
                return .failed(ProbeFailure(.unsupported, "/debug/vars contains no Raft status"))
            }
            return .answered(state, latency: .seconds(exchange.seconds))
        }
    }

    private func get(_ path: String, _ headers: HTTPHeaders) async -> Result<HTTPClient.Exchange, ProbeFailure> {
        do throws(HTTPClientError) {
            let exchange = try await http.get(
                path,
                headers: headers,
                at: metricsEndpoint,
                timeout: timeout,
                maximumBody: 16 << 20
            )
            switch exchange.response.status {
            case 200: return .success(exchange)
            case 404: return .failure(ProbeFailure(.unsupported, "\(metricsEndpoint) has no \(path)"))
            case 401, 403: return .failure(ProbeFailure(.unauthorized, "\(metricsEndpoint) refuses \(path)"))
            case let status: return .failure(ProbeFailure(.serverError, "\(path) returned the status \(status)"))
            }
        } catch {
            return .failure(ProbeFailure(error.reason, error.message))
        }
    }
}

extension ProbeFailure {
    /// Makes a failure from the error of a call.
    ///
    /// An error after the deadline is not a refusal.
    init(_ error: EtcdError, isLate: Bool) {
        let reason: Reason =
            switch error.code {
            case .noLeader, .leaderChanged: .noLeader
            case .deadlineExceeded, .timedOut: .timedOut
            case .unavailable: isLate ? .timedOut : .refused
            case .misconfigured: .tls
            case .permissionDenied, .authenticationRequired, .authenticationFailed, .invalidToken, .staleToken,
                .unauthenticated:
                .unauthorized
            case .unimplemented, .notSupportedForLearner, .notCapable: .unsupported
            case .protocolViolation, .responseTooLarge: .malformed
            default: .serverError
            }
        self.init(reason, error.message)
    }
}

extension RaftState {
    /// The part of `/debug/vars` in which etcd publishes its Raft state.
    ///
    /// It contains member IDs in hexadecimal digits.
    private struct Variables: Decodable {
        struct Status: Decodable {
            struct Progress: Decodable { let match: UInt64 }

            let term: UInt64
            let raftState: String
            let progress: [String: Progress]?
        }

        let status: Status

        enum CodingKeys: String, CodingKey { case status = "raft.status" }
    }

    /// Parses the JSON of `/debug/vars`; nil for other content.
    init?(variables bytes: [UInt8]) {
        guard let status = try? JSONDecoder().decode(Variables.self, from: Data(bytes)).status else { return nil }
        self.init(
            term: status.term,
            state: status.raftState,
            matches: (status.progress ?? [:]).mapValues(\.match)
        )
    }
}
