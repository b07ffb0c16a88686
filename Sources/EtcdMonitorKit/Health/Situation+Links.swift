// SPDX-License-Identifier: Apache-2.0

extension Situation {
    /// The links between members, with whether each receives data from the other.
    ///
    /// - Parameter patience: How long a link on which heartbeats should arrive may be silent.
    /// - Returns: The links between members that have started.
    func links(patience: Duration) -> [PeerLink] {
        let started = members.filter { $0.condition != .unstarted }
        return started.flatMap { receiver in
            started.filter { $0.key != receiver.key }.map { sender in
                PeerLink(from: sender.key, to: receiver.key, state: state(from: sender, to: receiver, patience))
            }
        }
    }

    private func state(from sender: MemberView, to receiver: MemberView, _ patience: Duration) -> PeerLink.State {
        if receiver.hasLost(sender.key) { return .silent }
        switch receiver.hears(sender.key) {
        case true?: return .alive
        case nil: return .unknown
        case false?:
            // Two followers exchange no messages that etcd counts by sender.
            guard leaderView?.key == sender.key || leaderView?.key == receiver.key else { return .unknown }
            return uptime - (receiver.silent(from: sender.key) ?? uptime) >= patience ? .silent : .alive
        }
    }
}
