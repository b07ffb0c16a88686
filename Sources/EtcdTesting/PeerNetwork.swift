// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The connections between the members of a cluster, and which members are cut off from the others.
///
/// Before each member stands a proxy that the others dial. A member also dials the others, and messages go both ways on
/// either kind of connection. So a proxy has to know who dials: it asks the system which process holds the other end.
@EventLoop
final class PeerNetwork {
    /// Where the members reach each other, in their order.
    nonisolated let endpoints: [String]

    private nonisolated let relays: [FaultProxyRelay]
    /// The faults of the connections to a member (first index) from another (second index).
    private let lanes: [[FaultProxyLanes]]
    private var members: [EtcdMember] = []
    private var isolated: Set<Int> = []

    /// Starts a proxy before each of these ports of 127.0.0.1.
    static func start(to ports: some Sequence<UInt16>) async throws -> PeerNetwork {
        guard SocketOwner.canBeFound else {
            throw EtcdTestingError(code: .system, message: "members can be cut off from each other on Linux only")
        }
        var relays: [FaultProxyRelay] = []
        for port in ports { relays.append(try await .start(to: Endpoint("127.0.0.1:\(port)"))) }
        return PeerNetwork(relays)
    }

    private init(_ relays: [FaultProxyRelay]) {
        self.relays = relays
        endpoints = relays.map(\.endpoint)
        lanes = relays.map { _ in relays.map { _ in FaultProxyLanes() } }
    }

    deinit {
        EventLoop.execute { [relays] in for relay in relays { relay.stop() } }
    }

    /// Lets the connections of these members pass, and no others.
    func serve(_ members: [EtcdMember]) {
        self.members = members
        let owners = SocketOwner { members.map(\.processID) }
        for (target, relay) in relays.enumerated() {
            relay.chooseLanes = { [lanes = lanes[target]] connection, take in
                owners.find(ofPeer: connection) { take($0.map { lanes[$0] }) }
            }
        }
    }

    /// Cuts a member off without a word, or lets it reach those again that are not cut off themselves.
    func setIsolated(_ isIsolated: Bool, _ member: EtcdMember) {
        guard let index = members.firstIndex(where: { $0 === member }) else { return }
        let before = isolated
        if isIsolated { isolated.insert(index) } else { isolated.remove(index) }
        for (target, relay) in relays.enumerated() {
            for source in members.indices {
                let wasApart = before.contains(target) || before.contains(source)
                let isApart = isolated.contains(target) || isolated.contains(source)
                if wasApart == isApart { continue }
                let lanes = lanes[target][source]
                relay.set(.both, on: lanes) { $0.passage = isApart ? .stalled : .open }
                // What waited is lost, and the members dial again at once instead of when they lose patience.
                if wasApart { relay.close(.reset, on: lanes) }
            }
        }
    }

    func heal() {
        for member in members { setIsolated(false, member) }
    }

    func stop() {
        for relay in relays { relay.stop() }
    }
}
