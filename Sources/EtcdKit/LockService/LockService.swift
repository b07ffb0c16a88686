// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// etcd's own locks, which are weak: see ``LockService``.
    public var lockService: LockService { LockService(client: self) }
}

/// etcd's own locks, for programs that share a lock with programs that use these.
///
/// > Warning: The service does not report the loss of a lock, so guard the writes under it by a transaction:
/// > - A lock lives as long as its lease. With ``Lease/ID/none``, etcd makes a lease that is not renewed, so the lock
/// >   ends after 60 seconds without notice. Keep a lease of your own alive, such as that of
/// >   ``EtcdClient/withLease(timeToLive:_:)``.
/// > - Before 3.5, a lease that ends during the wait is not noticed either: the key that is returned is gone.
/// > - Unlocking deletes the key, also when another client holds the lock by then.
/// > - A token that expires while a call waits for the lock ends the call (etcd#17623).
///
/// The `DistributedLock` of EtcdPatterns has none of these weaknesses.
public struct LockService: Sendable {
    let client: EtcdClient

    /// Waits for a lock, and takes it.
    ///
    /// The wait is a call, so it ends with the client's time for a call (see ``EtcdClient/with(timeout:)``), and then
    /// throws `ambiguous`: etcd may have taken the lock at the last moment. After any other error, too, a key may be
    /// left that gets the lock later, as long as the lease lives. To resolve this, lock again with the same lease, or
    /// revoke it; this needs a lease of your own.
    ///
    /// - Parameters:
    ///   - name: The name of the lock; the locks of one name exclude each other.
    ///   - lease: The lease on which the lock depends. If it already holds the lock, the call returns at once.
    /// - Returns: The key that stands for the ownership, as long as it exists.
    /// - Throws: ``EtcdError``, among its codes `leaseNotFound`, `leaseLost` when the lease has ended during the wait,
    ///   `permissionDenied` and `ambiguous`.
    public func lock(_ name: Key, lease: Lease.ID) async throws(EtcdError) -> Key {
        if name.bytes.isEmpty { throw EtcdError(.emptyKey, "the name of the lock is empty") }
        let request = Wire.LockRequest(name: name.bytes, lease: lease.rawValue)
        return Key(bytes: try await client.call(Wire.lock, request).key)
    }

    /// Gives a lock up; does nothing if it is gone.
    ///
    /// - Parameter key: The key that ``lock(_:lease:)`` has returned.
    /// - Throws: ``EtcdError``, among its codes `permissionDenied` and `ambiguous`, after which it may be repeated.
    public func unlock(_ key: Key) async throws(EtcdError) {
        if key.bytes.isEmpty { throw EtcdError(.emptyKey, "the key of the lock is empty") }
        _ = try await client.call(Wire.unlock, Wire.KeyRequest(key: key.bytes))
    }
}
