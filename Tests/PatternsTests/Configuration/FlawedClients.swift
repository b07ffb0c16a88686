// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import EtcdKit
@testable import EtcdPatterns

/// A client that behaves as if its process were killed after a number of requests.
func mortalClient(_ endpoint: String, requests: Int) throws -> EtcdClient {
    var configuration = try EtcdClient.Configuration(endpoints: endpoint)
    let state = Lock((left: requests, core: ClientCore?.none))
    configuration.onEvent = { event in
        guard case .callFinished = event else { return }
        let core = state.withLock { state in
            state.left -= 1
            return state.left == 0 ? state.core : nil
        }
        // Before the caller goes on, whose next request comes to the loop after this.
        if let core { EventLoop.execute { core.channel.close() } }
    }
    let client = try EtcdClient(configuration)
    state.withLock { $0.core = client.core }
    return client
}

/// A client that runs an action after one of its requests, before its caller goes on.
struct InterruptedClient {
    let client: EtcdClient
    private let state: Lock<(left: Int, hasRun: Bool)>

    /// Whether the action has run.
    var hasRun: Bool { state.withLock { $0.hasRun } }
    /// How many requests it has made.
    var requests: Int { number - state.withLock { $0.left } }
    private let number: Int

    init(_ endpoint: String, after number: Int, _ action: @escaping @Sendable () async throws -> Void) throws {
        var configuration = try EtcdClient.Configuration(endpoints: endpoint)
        let state = Lock((left: number, hasRun: false))
        (self.state, self.number) = (state, number)
        configuration.onEvent = { event in
            guard case .callFinished = event else { return }
            let isNow = state.withLock { state in
                state.left -= 1
                return state.left == 0
            }
            if !isNow { return }
            // It blocks this one thread of several.
            let done = DispatchSemaphore(value: 0)
            Task.detached {
                try? await action()
                state.withLock { $0.hasRun = true }
                done.signal()
            }
            done.wait()
        }
        client = try EtcdClient(configuration)
    }
}

/// Puts a state into effect that is not in the plain keys yet, as a restorer that has died.
func putIntoEffect(_ values: [Key: Value], _ layout: ConfigLayout, _ client: EtcdClient) async throws {
    let (stored, _) = try await StoredState.write(ConfigState(values).encoded, as: "x", in: layout.stages, client)
    try await client.put(layout.pointer, StoredJSON.encode(stored))
}
