// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

@testable import EtcdMonitorKit

extension SimulatedCluster {
    /// A poll's view of a member.
    func observation(of node: Node) -> MemberObservation {
        let endpoint = try? Endpoint("10.0.0.\(node.id & 0xff):2379")
        var seen = MemberObservation(
            id: Member.ID(rawValue: node.id),
            name: node.isStarted ? "n\(node.id)" : "",
            endpoint: endpoint
        )
        (seen.isListed, seen.isStarted, seen.isLearner) = (node.isListed, node.isStarted, node.isLearner)
        guard node.isStarted else { return seen }
        var visit = MetricsVisit()
        visit.clockOffset = node.isRunning ? node.clockOffset : nil
        visit.certificates = node.certificates
        seen.visit = visit
        let refused = ProbeFailure(.refused, "connection refused")
        let late = ProbeFailure(.timedOut, "no answer in 2 s")
        switch node.trouble {
        case .killed, .starting: return seen.failing(refused)
        case .frozen, .unreachable: return seen.failing(late)
        case .tls: return seen.failing(ProbeFailure(.tls, "certificate has expired"))
        case .unauthorized, .none, .defragmenting: break
        }
        let latency = Duration.seconds(node.readSeconds)
        seen.visit?.metrics = .answered(node.page, latency: latency)
        if node.trouble == .defragmenting { return seen.failing(late, keepsMetrics: true) }
        seen.status = .answered(status(of: node), latency: latency)
        seen.visit?.raft = .answered(RaftState(term: term, state: "StateFollower"), latency: latency)
        seen.memberList = .answered(nodes.filter(\.isListed).map(\.member), latency: latency)
        if node.trouble == .unauthorized {
            let failure = ProbeFailure(.unauthorized, "etcdserver: user name is empty")
            (seen.serializableRead, seen.linearizableRead) = (.failed(failure), .failed(failure))
            return seen
        }
        seen.serializableRead = .answered(Revision(rawValue: revision), latency: latency)
        if node.isLearner { return seen }
        let leads = leader.map { canLead(self[$0]) && (areLinked(self[$0], node) || $0 == node.id) } ?? false
        let isServed = leads && node.knownLeader == leader
        seen.linearizableRead = isServed ? .answered(Revision(rawValue: revision), latency: latency) : .failed(late)
        return seen
    }

    private func status(of node: Node) -> MemberStatus {
        var status = MemberStatus()
        status.header.clusterID = node.clusterID
        status.header.memberID = Member.ID(rawValue: node.id)
        status.header.revision = Revision(rawValue: revision)
        status.version = node.version
        (status.databaseSize, status.databaseSizeInUse) = (node.databaseBytes, node.inUseBytes)
        status.leaderNumber = node.knownLeader ?? 0
        status.raftTerm = term
        status.raftIndex = index - node.lag
        status.raftAppliedIndex = index - node.lag - node.applyLag
        status.isLearner = node.isLearner
        status.errors = alarms + (node.knownLeader == nil ? ["etcdserver: no leader"] : [])
        return status
    }
}

extension SimulatedCluster.Node {
    fileprivate var member: Member {
        var member = Member()
        member.id = Member.ID(rawValue: id)
        member.isLearner = isLearner
        member.name = isStarted ? "n\(id)" : ""
        return member
    }

    mutating func count(_ time: Double) {
        let seconds = isFresh ? time / 10 : time
        isFresh = false
        for (name, rate) in rates { counters[name, default: 0] += rate * seconds }
        for (code, rate) in calls { handled[code, default: 0] += rate * seconds }
        let writes = writesPerSecond * seconds
        for (name, time) in [("wal_fsync", fsyncSeconds), ("backend_commit", commitSeconds)] {
            for bound in [0.001, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, .infinity] {
                buckets[name, default: [:]][bound, default: 0] += time <= bound ? writes : 0
            }
        }
    }

    fileprivate var page: Exposition {
        var families = gauges.merging(counters) { $1 }.map {
            Exposition.Family($0, .untyped, [Exposition.Sample($0, [:], $1)])
        }
        families.append(
            Exposition.Family(
                "process_start_time_seconds",
                .gauge,
                [
                    Exposition.Sample("process_start_time_seconds", [:], startTime)
                ]
            )
        )
        families.append(
            Exposition.Family(
                "etcd_server_has_leader",
                .gauge,
                [
                    Exposition.Sample("etcd_server_has_leader", [:], knownLeader == nil ? 0 : 1)
                ]
            )
        )
        let name = "etcd_network_peer_received_bytes_total"
        families.append(
            Exposition.Family(
                name,
                .counter,
                received.map {
                    Exposition.Sample(name, ["From": String($0, radix: 16)], $1)
                }
            )
        )
        let calls = "grpc_server_handled_total"
        // Watches that end are errors to etcd, and to nobody else.
        let watches = Exposition.Sample(
            calls,
            ["grpc_type": "bidi_stream", "grpc_code": "Unavailable"],
            handled["OK"] ?? 0
        )
        let unary = handled.map {
            Exposition.Sample(calls, ["grpc_type": "unary", "grpc_method": "Range", "grpc_code": $0], $1)
        }
        families.append(Exposition.Family(calls, .counter, unary + [watches]))
        for (name, counts) in buckets {
            let metric = "etcd_disk_\(name)_duration_seconds"
            let samples = counts.sorted { $0.key < $1.key }.map { bound, count in
                Exposition.Sample("\(metric)_bucket", ["le": bound == .infinity ? "+Inf" : "\(bound)"], count)
            }
            let total = counts[.infinity] ?? 0
            families.append(
                Exposition.Family(
                    metric,
                    .histogram,
                    samples + [
                        Exposition.Sample("\(metric)_sum", [:], 0), Exposition.Sample("\(metric)_count", [:], total),
                    ]
                )
            )
        }
        return Exposition(families)
    }
}

extension MemberObservation {
    fileprivate func failing(_ failure: ProbeFailure, keepsMetrics: Bool = false) -> Self {
        var seen = self
        (seen.status, seen.serializableRead, seen.memberList) = (.failed(failure), .failed(failure), .failed(failure))
        seen.linearizableRead = isLearner ? .skipped : .failed(failure)
        if !keepsMetrics { seen.visit?.metrics = .failed(failure) }
        return seen
    }
}

extension Assessment {
    /// The findings by their IDs.
    var raised: Set<String> { Set(findings.map(\.id.description)) }
    /// The kinds of the findings.
    var codes: Set<Finding.Code> { Set(findings.map(\.code)) }
}
