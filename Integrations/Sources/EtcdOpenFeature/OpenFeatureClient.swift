// SPDX-License-Identifier: Apache-2.0

public import EtcdPatterns

/// Evaluates the flags of etcd in the terms of the OpenFeature specification.
///
/// ```swift
/// let client = OpenFeatureClient(flags, context: FlagContext(attributes: ["region": "eu"]))
/// let details = client.details("new-ui", default: false, context: FlagContext("user-7"))
/// logger.info("\(details.flagKey) is \(details.value): \(details.reason)")
/// ```
///
/// An evaluation reads nothing and waits for nothing, and never throws: after an error, the value is the caller's
/// default, and the details have the reason.
public struct OpenFeatureClient: Sendable {
    /// The name of the provider in the terms of OpenFeature.
    public let providerName = "etcd"
    /// The context of all evaluations; each adds its own, which takes precedence.
    public var context: FlagContext
    /// The hooks of all evaluations, in order.
    public var hooks: [any EvaluationHook]
    private let flags: FeatureFlags

    /// Makes a client.
    ///
    /// - Parameters:
    ///   - flags: The flags, which the caller closes.
    ///   - context: The context of all evaluations.
    ///   - hooks: The hooks of all evaluations.
    public init(_ flags: FeatureFlags, context: FlagContext = FlagContext(), hooks: [any EvaluationHook] = []) {
        self.flags = flags
        self.context = context
        self.hooks = hooks
    }

    // MARK: Evaluation

    /// The value of a flag.
    ///
    /// - Parameters:
    ///   - key: The name of the flag.
    ///   - fallback: The value if there is no such flag, or if there is an error.
    ///   - context: The context of this evaluation.
    /// - Returns: The value.
    public func value<Value: FlagConvertible>(
        _ key: String,
        default fallback: Value,
        context: FlagContext = FlagContext()
    ) -> Value {
        details(key, default: fallback, context: context).value
    }

    /// The value of a flag, with the reason for it.
    ///
    /// - Parameters:
    ///   - key: The name of the flag.
    ///   - fallback: The value if there is no such flag, or if there is an error.
    ///   - context: The context of this evaluation.
    /// - Returns: The details.
    public func details<Value: FlagConvertible>(
        _ key: String,
        default fallback: Value,
        context: FlagContext = FlagContext()
    ) -> EvaluationDetails<Value> {
        var context = self.context.merging(context)
        for hook in hooks { context = context.merging(hook.before(key, context: context)) }
        let evaluation = flags.evaluate(key, default: fallback, for: context)
        let details = EvaluationDetails(key, evaluation)
        for hook in hooks.reversed() {
            if let error = evaluation.error { hook.error(error, details: details, context: context) }
            hook.finally(details, context: context)
        }
        return details
    }

    // MARK: The provider

    /// Whether flags can be evaluated, and whether their definitions are up to date.
    public var status: ProviderStatus {
        if !flags.source.isEtcd { return .notReady }
        return flags.isStale ? .stale : .ready
    }

    /// Reports the status and changes of definitions, until the task is cancelled.
    ///
    /// - Parameter onEvent: Is called with the current status first, and then with each event; must return soon. The
    ///   status is checked every second.
    public func run(onEvent: @escaping @Sendable (ProviderEvent) -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await tellStatus(to: onEvent) }
            group.addTask { await tellChanges(to: onEvent) }
        }
    }

    private func tellStatus(to onEvent: @Sendable (ProviderEvent) -> Void) async {
        var last: ProviderStatus?
        repeat {
            let status = status
            if status != last { onEvent(.statusChanged(status)) }
            last = status
        } while (try? await Task.sleep(for: .seconds(1))) != nil
    }

    private func tellChanges(to onEvent: @Sendable (ProviderEvent) -> Void) async {
        do {
            var isFirst = true
            for try await change in flags.changes {
                // The first element has all flags, which have not changed.
                if !isFirst { onEvent(.configurationChanged(flags: change.updated + change.removed)) }
                isFirst = false
            }
        } catch {
            // Changes are not followed any more; the status shows this.
        }
    }
}

extension FlagContext {
    /// This context with the values of another one, which take precedence.
    func merging(_ other: FlagContext) -> FlagContext {
        FlagContext(
            other.targetingKey ?? targetingKey,
            attributes: attributes.merging(other.attributes) { $1 }
        )
    }
}
