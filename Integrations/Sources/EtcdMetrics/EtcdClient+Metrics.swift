// SPDX-License-Identifier: Apache-2.0

public import CoreMetrics
public import EtcdKit

extension EtcdClient.Configuration {
    /// Records the events of the client as metrics, in addition to the existing ``onEvent``.
    ///
    /// | metric | kind | dimensions |
    /// |---|---|---|
    /// | `etcd.client.call.duration` | timer | `method`, `code` (`ok` after success) |
    /// | `etcd.client.call.retries` | counter | `method` |
    /// | `etcd.client.connects`, `.connect.failures`, `.disconnects`, `.suspicions` | counters | `endpoint` |
    /// | `etcd.client.failovers` | counter | |
    /// | `etcd.client.watch.resumes`, `.watch.resyncs` | counters | |
    /// | `etcd.client.lease.risks`, `.lease.losses` | counters | |
    /// | `etcd.client.session.losses`, `.hold.losses` | counters | `reason` |
    /// | `etcd.client.leader` | meter: 1 while this process leads, else 0 | `election` |
    ///
    /// - Parameters:
    ///   - prefix: The prefix of the names.
    ///   - factory: Makes the metrics; nil for the one of `MetricsSystem`, once it is bootstrapped.
    public mutating func recordMetrics(prefix: String = "etcd.client", factory: (any MetricsFactory)? = nil) {
        let metrics = ClientMetrics(MetricsCache(prefix: prefix, factory: factory))
        let others = onEvent
        onEvent = { event in
            others?(event)
            metrics.record(event)
        }
    }
}

/// The metrics of a client.
private struct ClientMetrics: Sendable {
    private let cache: MetricsCache

    init(_ cache: MetricsCache) { self.cache = cache }

    func record(_ event: EtcdClient.Event) {
        switch event {
        case .connected(let endpoint): count("connects", ("endpoint", "\(endpoint)"))
        case .connectFailed(let endpoint, _): count("connect.failures", ("endpoint", "\(endpoint)"))
        case .disconnected(let endpoint, _): count("disconnects", ("endpoint", "\(endpoint)"))
        case .suspected(let endpoint, _): count("suspicions", ("endpoint", "\(endpoint)"))
        case .failedOver: count("failovers")
        case .leaseAtRisk: count("lease.risks")
        case .leaseLost: count("lease.losses")
        case .sessionLost(_, let reason, _): count("session.losses", ("reason", reason))
        case .holdLost(_, _, let reason): count("hold.losses", ("reason", reason))
        case .leadershipGained(let election, _): cache.meter("leader", [("election", "\(election)")]).set(1)
        case .leadershipLost(let election, _, _): cache.meter("leader", [("election", "\(election)")]).set(0)
        case .watchResumed: count("watch.resumes")
        case .watchResynced: count("watch.resyncs")
        case .callRetried(let call, _, _): count("call.retries", ("method", call.method))
        case .callFinished(let call, let outcome):
            let code = outcome.code?.description ?? "ok"
            cache.timer("call.duration", [("method", call.method), ("code", code)])
                .recordSeconds(outcome.duration / .seconds(1))
        case .trusted, .endpointsChanged, .endpointSyncFailed, .tokenRefreshed, .revisionFell, .callStarted: break
        }
    }

    private func count(_ name: String, _ dimensions: (String, String)...) {
        cache.counter(name, dimensions).increment()
    }
}
