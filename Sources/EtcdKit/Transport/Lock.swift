// SPDX-License-Identifier: Apache-2.0

/// A value behind a lock, the only lock type of the package.
///
/// It stands on `pthread_mutex_t`, because ThreadSanitizer on Linux does not see `Synchronization.Mutex` and would
/// report every one of its critical sections. Never resume a continuation or call out to a user inside ``withLock(_:)``.
package final class Lock<State>: @unchecked Sendable {
    // Sendable: `state` is only touched between lock and unlock of `mutex`.
    private let mutex = Platform.makeMutex()
    private var state: State

    package init(_ state: sending State) {
        self.state = state
    }

    deinit {
        Platform.destroyMutex(mutex)
    }

    package func withLock<Result, Failure: Error>(
        _ body: (inout State) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        Platform.lock(mutex)
        defer { Platform.unlock(mutex) }
        return try body(&state)
    }
}
