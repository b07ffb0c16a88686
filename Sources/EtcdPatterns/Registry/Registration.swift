// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// An instance of a service that is registered, and stays registered until ``deregister(timeout:)``.
///
/// A registration is maintained: if its entry disappears, with its lease or the whole store, the client creates it again
/// as soon as etcd answers. If another process registers the same instance, the later registration stays.
///
/// A registration that is dropped gives its lease up, and its entry ends with that, as after a crash.
public final class Registration: Sendable {
    private let keeper: EntryKeeper
    private let running: Task<Void, Never>
    private let leaving = Lock<BackgroundJob?>(nil)

    init(_ keeper: EntryKeeper) {
        self.keeper = keeper
        running = Task { await keeper.run() }
    }

    deinit { running.cancel() }

    // MARK: State

    /// The instance as it was described; the result of the registration's own check is not in it.
    public var instance: ServiceInstance { keeper.entry.instance }

    /// The current state of the registration.
    public var state: RegistrationState { keeper.states.newest ?? .pending(nil) }

    /// The current state, and then the newest one after each change; a slow consumer skips states.
    ///
    /// The sequence ends with the registration.
    public var states: AsyncStream<RegistrationState> { keeper.states.listen() }

    /// Waits until others can see the instance.
    ///
    /// - Throws: The reason why they never can; `CancellationError`.
    func waitUntilRegistered() async throws {
        for await state in states {
            switch state {
            case .registered: return
            case .pending(let error as EtcdError) where !error.mayPass: throw error
            case .degraded(let error as EtcdError) where !error.mayPass: throw error
            case .pending, .degraded: continue
            case .superseded: throw CoordinationLoss(.superseded)
            case .deregistered: throw CoordinationLoss(.released)
            }
        }
        throw CancellationError()
    }

    /// Runs `body`, whose task is cancelled when another process registers the same instance, and deregisters.
    func whileRegistered<Result: Sendable>(
        _ body: @escaping @Sendable (Registration) async throws -> Result
    ) async throws -> Result {
        try await releasing {
            await deregister()
        } after: {
            try await keeper.lifetime.whileHeld { try await body(self) }
        }
    }

    // MARK: Changes

    /// Changes the description of the instance, and waits until others can see it.
    ///
    /// Concurrent changes are made one after the other. A change that etcd refuses is undone. After a
    /// `CancellationError`, a change whose turn had come is still made.
    ///
    /// - Parameter change: Changes the instance, but not its service and its ID. It is called again if the previous
    ///   change, on which this one is based, is refused.
    /// - Throws: The error of `change`; ``CoordinationLoss`` when the registration has ended; ``EtcdError``, among its
    ///   codes `invalidArgument` and `requestTooLarge`; `CancellationError`.
    public func update(_ change: (inout ServiceInstance) throws -> Void) async throws {
        try await keeper.entry.update { old in
            var new = old
            try change(&new)
            try new.validate()
            if Key(new.service) != Key(old.service) || Key(new.id) != Key(old.id) {
                throw EtcdError(.invalidArgument, "\(old.id) of \(old.service) cannot become another instance")
            }
            return new
        }
    }

    // MARK: The end

    /// Deletes the entry of the instance.
    ///
    /// An entry that another process has put since is left alone. A cancellation of the caller's task does not stop it.
    /// After `timeout`, it continues in the background, for no longer than the time to live. An entry that could not be
    /// deleted ends with its lease. A second call does nothing.
    ///
    /// - Parameter timeout: How long to wait for it.
    public func deregister(timeout: Duration = .seconds(5)) async {
        let job = leaving.withLock { job in
            if let job { return job }
            let new = keeper.client.inBackground { [keeper, running] in
                running.cancel()
                await running.value
                await keeper.leave()
            }
            job = new
            return new
        }
        await job.wait(timeout)
    }

    /// Leaves without a failed request: puts the status `draining`, waits for `propagation`, deregisters, and waits for the
    /// requests that are in flight.
    ///
    /// If etcd cannot be reached, or the task is cancelled, the instance is deregistered all the same.
    ///
    /// - Parameters:
    ///   - propagation: How long others have to learn of the new status before the instance is gone.
    ///   - timeout: How long all of it may take. If no time is left, the deregistration still has a second.
    ///   - inFlight: Returns when the requests in flight are answered; its task is cancelled after `timeout`.
    /// - Throws: The error of `inFlight`; ``EtcdError`` with the code `deadlineExceeded` when requests were left;
    ///   `CancellationError`.
    public func drain(
        propagation: Duration = .seconds(5),
        timeout: Duration = .seconds(20),
        _ inFlight: @escaping @Sendable () async throws -> Void = {}
    ) async throws {
        let deadline = ContinuousClock.now + timeout.bounded
        // If etcd cannot be reached, nobody learns of the new status, so there is no wait for its propagation.
        let isKnown = try? await withTimeout(min(max(propagation, .seconds(1)), timeout).bounded) {
            try await self.update { $0.status = .draining }
            return true
        }
        if isKnown == true { try? await Task.sleep(for: min(propagation, deadline - .now).bounded) }
        await deregister(timeout: max(.seconds(1), min(.seconds(5), deadline - .now)))
        let isDone: Bool? = try await withTimeout(max(.zero, deadline - .now)) {
            try await inFlight()
            return true
        }
        try Task.checkCancellation()
        if isDone == nil { throw EtcdError(.deadlineExceeded, "\(instance) had requests in flight after \(timeout)") }
    }
}

/// The state of a registration; see ``Registration/states``.
///
/// More may be added, so a `switch` over states needs a `default`.
public enum RegistrationState: Sendable, CustomStringConvertible {
    /// The instance is not in the store yet; the client keeps trying.
    ///
    /// The error is that of the last attempt; nil before the first one has failed. A registration is in this state while
    /// etcd cannot be reached from the start.
    case pending((any Error)?)
    /// The instance is in the store as it is described, since this revision.
    case registered(at: Revision)
    /// The instance was in the store. Its entry may be missing now, or out of date; the client keeps trying.
    ///
    /// The error is a ``CoordinationLoss`` when the lease was lost, or an ``EtcdError``.
    case degraded(any Error)
    /// Another process has since registered the same instance; the registration has ended.
    case superseded(by: ServiceInstance)
    /// The registration has ended.
    case deregistered

    /// The state, and its revision, error or successor, in one line.
    public var description: String {
        switch self {
        case .pending(let error): error.map { "pending: \($0)" } ?? "pending"
        case .registered(let revision): "registered at revision \(revision)"
        case .degraded(let error): "degraded: \(error)"
        case .superseded(let successor): "superseded by \(successor)"
        case .deregistered: "deregistered"
        }
    }
}
