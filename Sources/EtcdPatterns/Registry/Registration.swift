// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// An instance of a service that is registered, and stays so until ``deregister(timeout:)``.
///
/// Whatever happens to the lease, the entry or the whole store, the instance is registered again as soon as there is a
/// way to etcd, unless another process has registered as the same instance meanwhile: the one that came last stays.
///
/// A registration that is dropped is no longer renewed, and its entry ends with its lease, as after a crash.
public final class Registration: Sendable {
    private let registrar: Registrar
    private let running: Task<Void, Never>
    private let leaving = Lock<BackgroundJob?>(nil)

    init(_ registrar: Registrar) {
        self.registrar = registrar
        running = Task { await registrar.run() }
    }

    deinit { running.cancel() }

    /// Lasts until another has registered as the same instance.
    var tenure: Tenure { registrar.tenure }

    // MARK: How it stands

    /// The instance as it is described; what the registration's own check makes of its status is not in it.
    public var instance: ServiceInstance { registrar.wish.instance }

    /// How the registration stands.
    public var state: RegistrationState { registrar.states.newest ?? .pending(nil) }

    /// The newest state, and those that follow.
    ///
    /// A slow consumer gets the newest only. The sequence ends when the registration has.
    public var states: AsyncStream<RegistrationState> { registrar.states.listen() }

    // MARK: Changes

    /// Changes what the instance says of itself, and waits until others can see it.
    ///
    /// Changes that are made at the same time come one after the other. When it throws `cancelled`, the change is still
    /// made as soon as there is a way to etcd, if it was this one's turn; when etcd refuses it, all stays as it was.
    ///
    /// - Parameter change: Changes the instance; its service and its id stay. It is called again when what it has changed
    ///   was refused because of a change before.
    /// - Throws: What `change` throws; ``CoordinationLoss`` when the registration has ended; ``EtcdError``, among its
    ///   codes `invalidArgument`, `requestTooLarge` and `cancelled`.
    public func update(_ change: (inout ServiceInstance) throws -> Void) async throws {
        let wish = registrar.wish
        try await wish.takeTurn()
        defer { wish.endTurn() }
        while true {
            if let loss = wish.ending { throw loss }
            let old = instance
            var new = old
            try change(&new)
            try new.validate()
            if Key(new.service) != Key(old.service) || Key(new.id) != Key(old.id) {
                throw EtcdError(.invalidArgument, "\(old.id) of \(old.service) cannot become another instance")
            }
            // A change that was refused may have been undone at the same time.
            guard let pending = wish.change(old, to: new) else { continue }
            do {
                return try await pending.wait()
            } catch let error as EtcdError where pending.isOnOpenGround && error.code != .cancelled {
                continue
            }
        }
    }

    // MARK: The end

    /// Takes the instance out of the store.
    ///
    /// An entry that another process has put since is left alone. It goes on also when the caller's task is cancelled. When
    /// `timeout` is over, it goes on in the background, for no longer than the time to live; what could not be deleted ends
    /// with the lease, as it does where the lease is lost already. Deregistering twice does nothing.
    ///
    /// - Parameter timeout: How long to wait for it.
    public func deregister(timeout: Duration = .seconds(5)) async {
        let job = leaving.withLock { job in
            if let job { return job }
            let new = registrar.client.inBackground { [registrar, running] in
                running.cancel()
                await running.value
                await registrar.leave()
            }
            job = new
            return new
        }
        await job.wait(timeout)
    }

    /// Leaves without a failed request: says that it is draining, gives others time to hear of it, deregisters, and waits
    /// for the requests that are still there.
    ///
    /// Where etcd is away, or the task is cancelled, it is deregistered all the same.
    ///
    /// - Parameters:
    ///   - propagation: How long others have to hear of it before it is gone.
    ///   - timeout: How long all of it may take; the deregistration has a second of its own where no time is left.
    ///   - inFlight: Returns when the requests that were taken are answered; it is cancelled when time is up.
    /// - Throws: What `inFlight` throws; ``EtcdError`` with the code `deadlineExceeded` when requests were left, or
    ///   `cancelled`.
    public func drain(
        propagation: Duration = .seconds(5),
        timeout: Duration = .seconds(20),
        _ inFlight: @escaping @Sendable () async throws -> Void = {}
    ) async throws {
        let deadline = ContinuousClock.now + timeout.bounded
        // An instance that is not heard has nobody to wait for.
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
        if Task.isCancelled { throw EtcdError(.cancelled, "the task was cancelled") }
        if isDone == nil { throw EtcdError(.deadlineExceeded, "requests were left after \(timeout)") }
    }
}
