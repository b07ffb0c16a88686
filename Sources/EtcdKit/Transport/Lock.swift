// SPDX-License-Identifier: Apache-2.0

/// A value behind a lock, in one block of memory; copies share it.
///
/// Never resume a continuation or call out to a user inside ``withLock(_:)``.
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

/// A lock without a value.
///
/// It uses `pthread_mutex_t`, because ThreadSanitizer on Linux does not see `Synchronization.Mutex` and would report
/// every one of its critical sections.
struct RawLock: ~Copyable, @unchecked Sendable {
    // Sendable: a mutex is made for several threads, and the pointer to it never changes.
    private let mutex = Platform.makeMutex()

    deinit { Platform.destroyMutex(mutex) }

    func acquire() { Platform.lock(mutex) }

    /// Takes the lock if it is free.
    func tryAcquire() -> Bool { Platform.tryLock(mutex) }

    func release() { Platform.unlock(mutex) }
}
