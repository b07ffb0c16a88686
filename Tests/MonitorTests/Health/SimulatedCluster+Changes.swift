// SPDX-License-Identifier: Apache-2.0

import EtcdKit

@testable import EtcdMonitorKit

extension SimulatedCluster {
    /// Changes the observation of each member from now on.
    mutating func changeMembers(_ change: @escaping @Sendable (inout MemberObservation) -> Void) {
        changes.append { seen, _ in for index in seen.members.indices { change(&seen.members[index]) } }
    }

    /// Changes the observation of one member from now on.
    mutating func change(_ id: UInt64, _ change: @escaping @Sendable (inout MemberObservation) -> Void) {
        changeMembers { if $0.id?.rawValue == id { change(&$0) } }
    }

    /// Changes the status of one member from now on.
    mutating func changeStatus(_ id: UInt64, _ change: @escaping @Sendable (inout MemberStatus) -> Void) {
        self.change(id) { member in
            guard var status = member.status.answer else { return }
            change(&status)
            member.status = .answered(status, latency: .milliseconds(1))
        }
    }

    /// Adds a family to the metrics of one member from now on, or replaces it.
    mutating func addMetric(_ id: UInt64, _ name: String, _ labels: [String: String], _ value: Double) {
        change(id) { member in
            guard let page = member.visit?.metrics.answer else { return }
            let family = Exposition.Family(name, .gauge, [Exposition.Sample(name, labels, value)])
            let all = Exposition(Array(page.families.values) + [family])
            member.visit?.metrics = .answered(all, latency: .milliseconds(1))
        }
    }

    /// Changes the bytes that a member says it has received, by sender, from now on; nil leaves them.
    mutating func changeReceived(_ id: UInt64, _ bytes: @escaping @Sendable (String) -> Double?) {
        let name = "etcd_network_peer_received_bytes_total"
        change(id) { member in
            guard let page = member.visit?.metrics.answer, var family = page.families[name] else { return }
            for index in family.samples.indices {
                guard let value = family.samples[index].labels["From"].flatMap(bytes) else { continue }
                family.samples[index].value = value
            }
            let all = Exposition(Array(page.families.values) + [family])
            member.visit?.metrics = .answered(all, latency: .milliseconds(1))
        }
    }

    /// Lets a new term begin, of which one member does not learn: it considers itself the leader of the old one.
    mutating func leaveBehind(_ id: UInt64) {
        let old = term
        term += 1
        changeStatus(id) { ($0.leaderNumber, $0.raftTerm) = (id, old) }
        change(id) { $0.visit?.raft = .skipped }
    }

    /// Adds a learner that has caught up.
    mutating func addLearner() {
        nodes.append(Node(0xa4))
        self[0xa4].isLearner = true
    }
}
