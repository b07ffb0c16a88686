// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// Remembers what a client tells of itself.
final class EventLog: Sendable {
    private let log = Lock<[EtcdClient.Event]>([])

    var events: [EtcdClient.Event] { log.withLock { $0 } }

    func attach(to configuration: inout EtcdClient.Configuration) {
        configuration.onEvent = { [self] event in log.withLock { $0.append(event) } }
    }

    /// How often the user was authenticated.
    var authentications: Int {
        events.count { if case .tokenRefreshed = $0 { true } else { false } }
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

    /// From where to where calls or streams have gone.
    var failovers: [(from: Endpoint, to: Endpoint)] {
        events.compactMap { if case .failedOver(let from, let to) = $0 { (from, to) } else { nil } }
    }

    /// At which revisions watches were given what they had missed.
    var resyncs: [Revision] {
        events.compactMap { if case .watchResynced(_, let revision) = $0 { revision } else { nil } }
    }
}
