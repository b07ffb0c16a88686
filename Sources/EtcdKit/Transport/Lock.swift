// SPDX-License-Identifier: Apache-2.0

/// A value behind a lock, in one block of memory; copies share it.
///
/// It stands on `pthread_mutex_t`, because ThreadSanitizer on Linux does not see `Synchronization.Mutex` and would
/// report every one of its critical sections. Never resume a continuation or call out to a user inside ``withLock(_:)``.
package struct Lock<State>: @unchecked Sendable {
    // Sendable: the state is only touched while the mutex is held.
    private final class Storage: ManagedBuffer<State, Platform.Mutex> {
        deinit { withUnsafeMutablePointerToElements { Platform.deinitialize($0) } }
    }

    private let storage: ManagedBuffer<State, Platform.Mutex>

    package init(_ state: sending State) {
        storage = Storage.create(minimumCapacity: 1) { _ in state }
        storage.withUnsafeMutablePointerToElements { Platform.initialize($0) }
    }

    package func withLock<Result, Failure: Error>(
        _ body: (inout State) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try storage.withUnsafeMutablePointers { state, mutex throws(Failure) in
            Platform.lock(mutex)
            defer { Platform.unlock(mutex) }
            return try body(&state.pointee)
        }
    }
}

extension Lock<Void> {
    // For a lock that is held beyond a scope.

    func acquire() { storage.withUnsafeMutablePointerToElements { Platform.lock($0) } }

    /// Takes the lock if nobody holds it.
    func tryAcquire() -> Bool { storage.withUnsafeMutablePointerToElements { Platform.tryLock($0) } }

    func release() { storage.withUnsafeMutablePointerToElements { Platform.unlock($0) } }
}
