// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Holds back calls of a client while it is closed.
final class CallGate: CallInterceptor {
    /// The method whose calls are held back; nil for all.
    private let method: String?
    private let state: Lock<(isOpen: Bool, held: Int)>

    init(_ method: String? = nil, isOpen: Bool) {
        self.method = method
        state = Lock((isOpen, 0))
    }

    /// How many calls have come while it was closed.
    var held: Int { state.withLock { $0.held } }

    func open() { state.withLock { $0.isOpen = true } }

    func close() { state.withLock { $0.isOpen = false } }

    func intercept(
        _ call: EtcdClient.Call,
        metadata: CallMetadata,
        next: @Sendable (CallMetadata) async -> EtcdClient.CallOutcome
    ) async throws {
        if method == nil || call.method == method {
            let isOpen = state.withLock { state in
                state.held += state.isOpen ? 0 : 1
                return state.isOpen
            }
            if !isOpen {
                while !state.withLock({ $0.isOpen }) { try await Task.sleep(for: .milliseconds(5)) }
            }
        }
        _ = await next(metadata)
    }
}
