// SPDX-License-Identifier: Apache-2.0

public import EtcdPatterns
import ServiceLifecycle
import Synchronization

extension EtcdService {
    /// Keeps an instance registered, and deregisters it at the graceful shutdown, without a failed request.
    ///
    /// At the shutdown, others first see the instance as draining. After `propagation` it is deregistered, and then the
    /// service ends; so the server, which is before it in the list of services, still answers meanwhile.
    ///
    /// - Parameters:
    ///   - instance: The instance.
    ///   - registry: The registry.
    ///   - timeToLive: How long others see the instance after its process has died, in whole seconds (rounded up).
    ///   - check: How the process checks itself: while that fails, others see it as down.
    ///   - propagation: How long others have at the shutdown to learn that the instance is draining.
    ///   - onState: Is called with each state of the registration; must return soon. It is not called for the entry
    ///     with the status `draining`.
    ///   - onDrain: Is called when the shutdown begins, before others see the instance as draining; must return soon.
    /// - Returns: The service. It throws `CoordinationLoss` when another process registers as the same instance.
    public static func registration(
        of instance: ServiceInstance,
        in registry: ServiceRegistry,
        timeToLive: Duration = .seconds(10),
        check: HealthCheck? = nil,
        propagation: Duration = .seconds(5),
        onState: @escaping @Sendable (RegistrationState) -> Void = { _ in },
        onDrain: @escaping @Sendable () -> Void = {}
    ) -> EtcdService {
        registration(
            in: registry,
            timeToLive: timeToLive,
            check: check,
            propagation: propagation,
            onState: onState,
            onDrain: onDrain
        ) {
            instance
        }
    }

    /// Registers an instance as soon as its address is known, and deregisters it at the graceful shutdown.
    ///
    /// A group does not wait until a server listens. `instance` does: it returns when there is a port to register.
    ///
    /// - Parameters:
    ///   - registry: The registry.
    ///   - timeToLive: How long others see the instance after its process has died, in whole seconds (rounded up).
    ///   - check: How the process checks itself: while that fails, others see it as down.
    ///   - propagation: How long others have at the shutdown to learn that the instance is draining.
    ///   - onState: Is called with each state of the registration; must return soon. It is not called for the entry
    ///     with the status `draining`.
    ///   - onDrain: Is called when the shutdown begins, before others see the instance as draining; must return soon.
    ///   - instance: Waits until the server listens, and describes the instance. It is cancelled by the shutdown.
    /// - Returns: The service. It throws the errors of `instance`, and `CoordinationLoss` when another process
    ///   registers as the same instance.
    public static func registration(
        in registry: ServiceRegistry,
        timeToLive: Duration = .seconds(10),
        check: HealthCheck? = nil,
        propagation: Duration = .seconds(5),
        onState: @escaping @Sendable (RegistrationState) -> Void = { _ in },
        onDrain: @escaping @Sendable () -> Void = {},
        of instance: @escaping @Sendable () async throws -> ServiceInstance
    ) -> EtcdService {
        EtcdService(name: "registration") {
            try await ignoringCancellation {
                guard let instance = try await cancelledByShutdown(instance) else { return }
                let registration = try await registry.register(instance, timeToLive: timeToLive, check: check)
                do {
                    try await keep(registration, propagation: propagation, onState, onDrain)
                } catch {
                    await registration.deregister()
                    throw error
                }
            }
        }
    }
}

/// Waits for the graceful shutdown, and then drains a registration.
private func keep(
    _ registration: Registration,
    propagation: Duration,
    _ onState: @escaping @Sendable (RegistrationState) -> Void,
    _ onDrain: @escaping @Sendable () -> Void
) async throws {
    let drain = Drain()
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            for await state in registration.states {
                if case .registered = state, drain.hasBegun { continue }
                onState(state)
                if case .superseded = state { throw CoordinationLoss(.superseded) }
            }
        }
        group.addTask {
            try await gracefulShutdown()
            drain.begin()
            onDrain()
            // An etcd that does not answer must not keep the process from ending.
            try? await registration.drain(propagation: propagation, timeout: propagation * 2 + .seconds(6))
        }
        // The registration ends first only if it is superseded.
        for try await _ in group { group.cancelAll() }
    }
}

/// Whether an instance has begun to drain: its entry is then put once more, which is no new registration.
private final class Drain: Sendable {
    private let isOn = Mutex(false)

    var hasBegun: Bool { isOn.withLock { $0 } }
    func begin() { isOn.withLock { $0 = true } }
}

/// The result of `body`; nil if the graceful shutdown came first.
private func cancelledByShutdown<Result: Sendable>(
    _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result? {
    try await cancelWhenGracefulShutdown {
        do {
            let result = try await body()
            return Task.isCancelled ? nil : result
        } catch {
            if Task.isCancelled { return nil }
            throw error
        }
    }
}
