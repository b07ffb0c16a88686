// SPDX-License-Identifier: Apache-2.0

/// A slot of a ``Semaphore`` that was acquired.
///
/// Each slot has tokens of its own, since several holders are right at once: a resource that guards itself by the
/// ``FencedGrant/fencingToken`` does so for each ``number``.
public struct SemaphoreSlot: FencedGrant {
    /// The number of the slot, from 0.
    public let number: Int
    let hold: Hold

    /// The library's own view of the grant.
    public var basis: GrantBasis { GrantBasis(hold) }

    /// Releases the slot, for the next waiter, as ``LockGrant/release(timeout:)`` does with a lock.
    ///
    /// - Parameter timeout: How long to wait until the next one can have the slot.
    public func release(timeout: Duration = .seconds(5)) async {
        await hold.release(timeout: timeout)
    }
}
