// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

extension FakeServer {
    /// Connects to this server.
    func connect(_ options: HTTP2Connection.Options = .init()) async throws -> HTTP2Connection {
        let completion = Completion<Dialer.Outcome>()
        let dialer = Dialer(try Endpoint(address), .init(timeout: .seconds(10), connection: options)) {
            completion.complete($0)
        }
        dialer.start()
        let outcome = await completion.wait { completion.complete(.failure(ConnectionError(.refused, "cancelled"))) }
        return try withExtendedLifetime(dialer) { try outcome.get() }
    }

    /// A client of this server.
    func client(_ configure: (inout EtcdClient.Configuration) -> Void = { _ in }) throws -> EtcdClient {
        var configuration = try EtcdClient.Configuration(endpoints: address)
        configure(&configuration)
        return try EtcdClient(configuration)
    }
}

extension HTTP2Connection {
    var isOpen: Bool {
        if case .open = state { true } else { false }
    }

    /// Why the connection is closed, if it is.
    var closingError: ConnectionError? {
        if case .closed(let error) = state { error } else { nil }
    }
}
