// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// The events of a client, in their order.
final class EventLog: Sendable {
    private let log = Lock<[EtcdClient.Event]>([])

    var events: [EtcdClient.Event] { log.withLock { $0 } }

    func attach(to configuration: inout EtcdClient.Configuration) {
        configuration.onEvent = { [self] event in log.withLock { $0.append(event) } }
    }

    /// A configuration of a client whose events come here.
    func configuration(_ endpoints: [String]) throws -> EtcdClient.Configuration {
        var configuration = try EtcdClient.Configuration(endpoints: endpoints)
        attach(to: &configuration)
        return configuration
    }

    /// Whether an event is there that `pattern` accepts.
    func contains(_ pattern: (EtcdClient.Event) -> Bool) -> Bool { events.contains(where: pattern) }

    func count(_ pattern: (EtcdClient.Event) -> Bool) -> Int { events.count(where: pattern) }

    /// How often the user was authenticated.
    var authentications: Int {
        count { if case .tokenRefreshed = $0 { true } else { false } }
    }

    /// From where to where calls or streams have gone.
    var failovers: [(from: Endpoint, to: Endpoint)] {
        events.compactMap { if case .failedOver(let from, let to) = $0 { (from, to) } else { nil } }
    }

    /// Leases that were in danger.
    var risks: [Lease.ID] {
        events.compactMap { if case .leaseAtRisk(let id, _, _) = $0 { id } else { nil } }
    }

    /// Leases that were lost.
    var losses: [Lease.ID] {
        events.compactMap { if case .leaseLost(let id, _) = $0 { id } else { nil } }
    }

    /// Where watches have gone on after an interruption.
    var resumptions: [(range: KeyRange, revision: Revision, endpoint: Endpoint)] {
        events.compactMap {
            if case .watchResumed(let range, let revision, let endpoint) = $0 {
                (range, revision, endpoint)
            } else {
                nil
            }
        }
    }

    /// At which revisions watches got the changes that they had missed.
    var resyncs: [Revision] {
        events.compactMap { if case .watchResynced(_, let revision) = $0 { revision } else { nil } }
    }
}
