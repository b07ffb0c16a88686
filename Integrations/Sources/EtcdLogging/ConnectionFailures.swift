// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Logging
import Synchronization

/// The endpoints without a connection, so that an outage writes a few lines to the log, and its end one.
final class ConnectionFailures: Sendable {
    /// The last failure of each endpoint that has failed since it was connected.
    private let failures = Mutex<[Endpoint: Failure]>([:])

    private enum Failure: Equatable {
        case attempt(EtcdError.Code, message: String)
        case end
    }

    /// The level of an event where that depends on the events before it; nil for the level of its line.
    func level(of event: EtcdClient.Event) -> Logger.Level? {
        switch event {
        case .connected(let endpoint):
            failures.withLock { $0.removeValue(forKey: endpoint) } == nil ? nil : .info
        case .connectFailed(let endpoint, let error):
            replaced(by: .attempt(error.code, message: error.message), of: endpoint) ? nil : .debug
        case .disconnected(let endpoint, _):
            replaced(by: .end, of: endpoint) ? nil : .debug
        case .endpointsChanged(let endpoints):
            forgotten(except: endpoints)
        default: nil
        }
    }

    /// Whether the failure differs from the last one of the endpoint.
    private func replaced(by failure: Failure, of endpoint: Endpoint) -> Bool {
        failures.withLock { $0.updateValue(failure, forKey: endpoint) } != failure
    }

    /// Forgets the endpoints that are no longer in use.
    private func forgotten(except endpoints: [Endpoint]) -> Logger.Level? {
        failures.withLock { $0 = $0.filter { endpoints.contains($0.key) } }
        return nil
    }
}
