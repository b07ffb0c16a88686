// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

@testable import EtcdMonitorKit

/// A cluster in virtual time that is polled by an evaluator: enough of etcd to show the effects of a fault.
///
/// Effects of a fault show with delay, as in etcd: in the first poll after it a member that is cut off still names its old
/// leader, and the bytes that arrived before the fault have made the counters grow.
struct SimulatedCluster {
    /// The trouble of a member, as the monitor sees it.
    enum Trouble {
        case none, killed, frozen, defragmenting
        /// The other members reach it, and it does not listen for clients yet.
        case starting
        /// It works, but the monitor cannot reach it.
        case unreachable
        /// It works, but does not answer the monitor.
        case unauthorized, tls
    }

    struct Node {
        let id: UInt64
        var trouble = Trouble.none
        var isLearner = false
        var isStarted = true
        var isListed = true
        var clusterID: UInt64 = 0xc1
        var version = "3.5.30"
        var databaseBytes: Int64 = 1_000_000
        var inUseBytes: Int64 = 900_000
        var startTime = 1000.0
        /// The entries that it lacks, and those that it has yet to apply.
        var lag: UInt64 = 0
        var applyLag: UInt64 = 0
        var readSeconds = 0.001
        var clockOffset: ClosedRange<Double>? = -0.5...0.5
        var certificates: [CertificateReading] = []
        var gauges: [String: Double] = [
            "etcd_server_quota_backend_bytes": 2_147_483_648, "etcd_server_proposals_pending": 0,
            "etcd_disk_defrag_inflight": 0, "process_open_fds": 50, "process_max_fds": 1024,
            "process_resident_memory_bytes": 5e7, "etcd_debugging_mvcc_watcher_total": 500,
            "etcd_debugging_mvcc_slow_watcher_total": 0,
        ]
        /// The growth of counters in a second.
        var rates: [String: Double] = ["process_cpu_seconds_total": 0.1, "etcd_server_proposals_failed_total": 0]
        /// The unary calls in a second, by code.
        var calls: [String: Double] = ["OK": 10, "Unavailable": 0]
        /// The writes of the log in a second, and how long each takes.
        var writesPerSecond = 10.0
        var fsyncSeconds = 0.0005
        var commitSeconds = 0.0005

        var counters: [String: Double] = ["etcd_server_leader_changes_seen_total": 1]
        var received: [UInt64: Double] = [:]
        var handled: [String: Double] = [:]
        var buckets: [String: [Double: Double]] = [:]
        var knownLeader: UInt64?
        /// Its process has begun a moment ago.
        var isFresh = false

        init(_ id: UInt64) { self.id = id }

        var isRunning: Bool { isStarted && trouble != .killed && trouble != .frozen }
        var key: String { String(id, radix: 16) }
    }

    var nodes: [Node]
    /// The links that are cut, each with the lower number first.
    var cuts: Set<[UInt64]> = []
    var leader: UInt64?
    var term: UInt64 = 2
    var index: UInt64 = 10_000
    var revision: Int64 = 5000
    /// The text of alarms, which every member knows.
    var alarms: [String] = []
    /// Changes of the next polls' answers.
    var changes: [(inout ClusterObservation, Int) -> Void] = []
    /// How many polls there are for each reading of the metrics.
    var metricsEvery = 1
    /// The polls so far.
    private(set) var polls = 0
    private(set) var uptime = Duration.seconds(50_000)
    var time = Date(timeIntervalSince1970: 1_800_000_000)
    var generator = SplitMix64(seed: 1)

    private var evaluator: HealthEvaluator
    private var linked: Set<[UInt64]> = []
    /// The leader is lost since the poll before; the next one is elected in the poll after.
    private var isElecting = false

    init(voters: Int = 3, _ thresholds: Thresholds = Thresholds()) {
        nodes = (0..<voters).map { Node(UInt64(0xa1 + $0)) }
        leader = 0xa1
        evaluator = HealthEvaluator(thresholds)
        for index in nodes.indices { nodes[index].knownLeader = leader }
    }

    subscript(_ id: UInt64) -> Node {
        get { nodes[place(of: id)] }
        set { nodes[place(of: id)] = newValue }
    }

    private func place(of id: UInt64) -> Int {
        guard let place = nodes.firstIndex(where: { $0.id == id }) else { fatalError("there is no member \(id)") }
        return place
    }

    /// Cuts a member off from some of the others.
    mutating func cut(_ id: UInt64, from others: [UInt64]) {
        for other in others { cuts.insert([id, other].sorted()) }
    }

    /// Cuts a member off from all others.
    mutating func isolate(_ id: UInt64) { cut(id, from: nodes.map(\.id).filter { $0 != id }) }

    /// Ends all faults; processes that were killed begin anew.
    mutating func repair() {
        for index in nodes.indices {
            if nodes[index].trouble == .killed { restart(nodes[index].id) }
            nodes[index].trouble = .none
        }
        cuts = []
        changes = []
    }

    /// A restart that is over between two polls.
    mutating func restart(_ id: UInt64) {
        self[id].startTime = Double(polls) + 2000
        self[id].isFresh = true
        self[id].counters = ["etcd_server_leader_changes_seen_total": 1]
        (self[id].received, self[id].handled, self[id].buckets) = ([:], [:], [:])
    }

    /// Moves the leader, as `etcdctl move-leader` does.
    mutating func move(to id: UInt64) {
        (leader, term) = (id, term + 1)
        for index in nodes.indices where nodes[index].isRunning {
            nodes[index].counters["etcd_server_leader_changes_seen_total", default: 0] += 1
            nodes[index].knownLeader = id
        }
    }

    /// Lets time pass, and polls.
    @discardableResult
    mutating func poll(after seconds: Double = 1) -> Assessment {
        live(seconds)
        uptime += .seconds(seconds)
        time += seconds
        var seen = ClusterObservation(time: time, uptime: uptime, members: nodes.map(observation))
        for change in changes { change(&seen, polls) }
        // As with the prober, a poll in which a call fails has metrics, too.
        if polls % metricsEvery != 0, !seen.members.contains(where: \.isFailing) {
            for index in seen.members.indices { seen.members[index].visit = nil }
        }
        polls += 1
        return evaluator.evaluate(seen)
    }

    /// Polls several times, and returns the last assessment.
    @discardableResult
    mutating func poll(times: Int, after seconds: Double = 1) -> Assessment {
        for _ in 1..<times { poll(after: seconds) }
        return poll(after: seconds)
    }

    // MARK: The cluster's life

    func areLinked(_ one: Node, _ other: Node) -> Bool {
        one.isRunning && other.isRunning && !cuts.contains([one.id, other.id].sorted())
    }

    /// The member has enough voters around it to lead.
    func canLead(_ node: Node) -> Bool {
        let voters = nodes.filter { !$0.isLearner && $0.isListed }
        let friends = voters.count { $0.id == node.id && node.isRunning || areLinked($0, node) }
        return !node.isLearner && node.isListed && node.isRunning && friends >= voters.count / 2 + 1
    }

    private mutating func live(_ seconds: Double) {
        // A member that was linked a moment ago has sent a few bytes more.
        for receiver in nodes.indices where nodes[receiver].isRunning {
            for sender in nodes where sender.id != nodes[receiver].id {
                let isLed = leader == sender.id || leader == nodes[receiver].id
                let pair = [sender.id, nodes[receiver].id].sorted()
                guard isLed, areLinked(sender, nodes[receiver]) || linked.contains(pair) else { continue }
                nodes[receiver].received[sender.id, default: 100] += (480 * seconds).rounded() + 1
            }
        }
        let isLed = leader.map { canLead(self[$0]) } ?? false
        for index in nodes.indices {
            // A lost leader, as a lost follower, shows one poll later.
            let isFollowing = leader.map { areLinked(self[$0], nodes[index]) || $0 == nodes[index].id } ?? false
            let wasFollowing = leader.map {
                linked.contains([$0, nodes[index].id].sorted()) || $0 == nodes[index].id && !isElecting
            }
            if isLed && isFollowing {
                nodes[index].knownLeader = leader
            } else if wasFollowing != true {
                nodes[index].knownLeader = nil
            }
        }
        linked = []
        for one in nodes {
            for other in nodes where one.id < other.id && areLinked(one, other) { linked.insert([one.id, other.id]) }
        }
        if isLed {
            isElecting = false
        } else if !isElecting {
            isElecting = true
        } else {
            let candidates = nodes.filter(canLead)
            let next = candidates.randomElement(using: &generator)
            if let next { move(to: next.id) } else { leader = nil }
            for index in nodes.indices
            where next.map({ !areLinked($0, nodes[index]) && $0.id != nodes[index].id }) ?? true {
                if nodes[index].knownLeader == next?.id { nodes[index].knownLeader = nil }
            }
        }
        if leader != nil { (index, revision) = (index + UInt64(10 * seconds), revision + Int64(5 * seconds)) }
        for index in nodes.indices where nodes[index].isRunning { nodes[index].count(seconds) }
    }
}
