// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The connections between the members of a cluster, and their cuts.
///
/// Each member has a proxy to which the others connect. A member also connects to the others, and messages go both ways
/// on either connection. So a proxy must know which member connects: it asks the system which process owns the other
/// end.
@EventLoop
final class PeerNetwork {
    private nonisolated let relays: Lock<[FaultProxyRelay]>
    /// The faults of the connections to a member (first index) from another (second index).
    private var lanes: [[FaultProxyLanes]]
    private var members: [EtcdMember] = []
    /// The cuts: one member from all others, or two members from each other.
    private var cuts: Set<Set<Int>> = []

    /// Starts a proxy in front of each of these ports of 127.0.0.1.
    static func start(to ports: some Sequence<UInt16>) async throws -> PeerNetwork {
        guard SocketOwner.canBeFound else {
            throw EtcdTestingError(code: .system, message: "members can be cut off from each other on Linux only")
        }
        var relays: [FaultProxyRelay] = []
        for port in ports { relays.append(try await .start(to: Endpoint("127.0.0.1:\(port)"))) }
        return PeerNetwork(relays)
    }

    private init(_ relays: [FaultProxyRelay]) {
        self.relays = Lock(relays)
        lanes = relays.map { _ in relays.map { _ in FaultProxyLanes() } }
    }

    deinit {
        EventLoop.execute { [relays = relays.withLock(\.self)] in for relay in relays { relay.stop() } }
    }

    /// The addresses at which the members reach each other, in their order.
    nonisolated var endpoints: [String] { relays.withLock { $0.map(\.endpoint) } }

    /// Starts a proxy in front of the port of a further member, and returns its address.
    func add(_ port: UInt16) async throws -> String {
        let relay = try await FaultProxyRelay.start(to: Endpoint("127.0.0.1:\(port)"))
        for index in lanes.indices { lanes[index].append(FaultProxyLanes()) }
        lanes.append((0...lanes.count).map { _ in FaultProxyLanes() })
        relays.withLock { $0.append(relay) }
        return relay.endpoint
    }

    /// Passes on the connections of these members only.
    func serve(_ members: [EtcdMember]) {
        self.members = members
        let owners = SocketOwner { members.map(\.processID) }
        for (target, relay) in relays.withLock(\.self).enumerated() {
            relay.chooseLanes = { [lanes = lanes[target]] connection, take in
                owners.find(ofPeer: connection) { take($0.map { lanes[$0] }) }
            }
        }
    }

    /// Cuts one member off from all others, or two members from each other, by dropping packets.
    func cut(_ members: EtcdMember...) {
        apply(cuts.union([Set(members.compactMap(index))]))
    }

    /// Removes all cuts of a member, or of all members.
    func heal(_ member: EtcdMember?) {
        let healed = member.map { Set([$0].compactMap(index)) } ?? Set(members.indices)
        apply(cuts.filter { $0.isDisjoint(with: healed) })
    }

    private func index(of member: EtcdMember) -> Int? { members.firstIndex { $0 === member } }

    private func apply(_ new: Set<Set<Int>>) {
        let old = cuts
        cuts = new
        for (target, relay) in relays.withLock(\.self).enumerated() {
            for source in members.indices {
                let wasApart = old.contains { $0.isSubset(of: [target, source]) }
                let isApart = new.contains { $0.isSubset(of: [target, source]) }
                if wasApart == isApart { continue }
                let lanes = lanes[target][source]
                relay.set(.both, on: lanes) { $0.passage = isApart ? .stalled : .open }
                // Waiting data are lost, and the members reconnect at once instead of after a timeout.
                if wasApart { relay.close(.reset, on: lanes) }
            }
        }
    }

    /// Delays all data between a member and the others.
    func delay(_ member: EtcdMember, by duration: Duration) {
        guard let slow = index(of: member) else { return }
        for (target, relay) in relays.withLock(\.self).enumerated() {
            for source in members.indices where target == slow || source == slow {
                relay.set(.both, on: lanes[target][source]) { $0.delay = duration }
            }
        }
    }

    func stop() {
        for relay in relays.withLock(\.self) { relay.stop() }
    }
}
