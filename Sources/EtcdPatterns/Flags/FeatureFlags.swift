// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Feature flags that are defined in etcd and evaluated here.
///
/// ```swift
/// let flags = try await FeatureFlags("flags", client: client)
/// try await flags.enable("new-ui")
/// if flags.isEnabled("new-ui", for: FlagContext("user-7")) { … }
/// ```
///
/// Definitions are under `<name>/`, and all of them are mirrored: an evaluation reads nothing and waits for nothing. When
/// etcd is out of reach, flags stay as they are, and evaluations say so by the reason ``FlagReason/stale``. When it is out of
/// reach at the start, flags have the caller's defaults until it is reached; ``source`` tells.
///
/// A definition that cannot be read harms no other: its flag has the caller's default, and ``FlagSnapshot/errors`` tells.
public final class FeatureFlags: Sendable {
    /// The keys of the flags begin with this and a slash.
    public let name: Key
    let client: EtcdClient
    let mirror: KeyMirror
    private let staleAfter: Duration
    private let start = ContinuousClock.now
    private let cache = FlagCache()

    /// Reads all flags, and follows them until ``close()``, or until this is dropped.
    ///
    /// When it returns, all flags are known, unless etcd was not reached within `initialWait`. Then it goes on trying, and
    /// until it succeeds, flags have the caller's defaults; see ``source``.
    ///
    /// - Parameters:
    ///   - name: The keys of the flags begin with this and a slash.
    ///   - client: The way to the cluster.
    ///   - staleAfter: How long etcd may be out of reach before evaluations say that they may be out of date.
    ///   - initialWait: How long to wait for etcd before it starts without flags.
    /// - Throws: ``EtcdError`` when the flags cannot be read for a reason that does not pass by itself, such as
    ///   `permissionDenied`; `emptyKey` and `invalidArgument` for a name that cannot be one.
    public convenience init(
        _ name: Key,
        client: EtcdClient,
        staleAfter: Duration = .seconds(30),
        initialWait: Duration = .seconds(5)
    ) async throws(EtcdError) {
        try Self.check(name)
        let options = Self.options(staleAfter, initialWait)
        let mirror = try await client.mirror(of: .prefix(name + "/"), options: options)
        self.init(name, client, mirror, staleAfter)
    }

    init(_ name: Key, _ client: EtcdClient, _ mirror: KeyMirror, _ staleAfter: Duration) {
        self.name = name
        self.client = client
        self.mirror = mirror
        self.staleAfter = staleAfter
    }

    static func check(_ name: Key) throws(EtcdError) {
        try name.checkName(of: "set of flags")
    }

    /// Checks often enough that flags which can be checked are never taken for old.
    static func options(_ staleAfter: Duration, _ initialWait: Duration) -> MirrorOptions {
        var options = MirrorOptions()
        options.initialWait = initialWait
        options.checkInterval = max(.milliseconds(100), min(options.checkInterval, staleAfter / 3))
        return options
    }

    /// Ends the following of changes; flags stay as they are.
    public func close() async { await mirror.close() }

    // MARK: Evaluation

    /// The flags as they are known, to evaluate several of them at one revision.
    ///
    /// Taking them costs nothing. A definition that has changed is read by the first evaluation that needs it, and no other
    /// evaluation waits for that.
    public var snapshot: FlagSnapshot {
        let (version, entries) = mirror.current
        return FlagSnapshot(StoredFlags(entries: entries, version: version, prefix: name + "/", cache: cache))
    }

    /// How many definitions were read.
    var readCount: Int { cache.readCount }

    /// Whether a flag is on.
    ///
    /// - Parameters:
    ///   - name: The name of the flag.
    ///   - context: Whom it is for.
    /// - Returns: False also if there is no such flag, or it is not one that is on or off.
    public func isEnabled(_ name: String, for context: FlagContext = FlagContext()) -> Bool {
        snapshot.isEnabled(name, for: context)
    }

    /// The value of a flag.
    ///
    /// - Parameters:
    ///   - name: The name of the flag.
    ///   - fallback: What it is if there is no such flag, or one of another type.
    ///   - context: Whom it is for.
    /// - Returns: The value, which is of the type of `fallback`.
    public func value<Value: FlagConvertible>(
        _ name: String,
        default fallback: Value,
        for context: FlagContext = FlagContext()
    ) -> Value {
        snapshot.value(name, default: fallback, for: context)
    }

    /// The value of a flag, and why it is this one.
    ///
    /// - Parameters:
    ///   - name: The name of the flag.
    ///   - fallback: What it is if there is no such flag, or one of another type.
    ///   - context: Whom it is for.
    /// - Returns: The value, the variant, the reason, and what is wrong, if something is. If flags may be out of date,
    ///   the reason is ``FlagReason/stale``, unless it is ``FlagReason/error``.
    public func evaluate<Value: FlagConvertible>(
        _ name: String,
        default fallback: Value,
        for context: FlagContext = FlagContext()
    ) -> FlagEvaluation<Value> {
        let evaluation = snapshot.evaluate(name, default: fallback, for: context)
        if !isStale || evaluation.reason == .error { return evaluation }
        return FlagEvaluation(value: evaluation.value, variant: evaluation.variant, reason: .stale, error: nil)
    }

    // MARK: The state of things

    /// The definitions of all flags that have a usable one, by name.
    public var allFlags: [String: FeatureFlag] { snapshot.allFlags }

    /// What is wrong with definitions, in the order of the names of the flags.
    public var errors: [FlagError] { snapshot.errors }

    /// Where the flags come from: from etcd, or from nowhere yet, so that callers' defaults count.
    public var source: StateSource { mirror.listedSince.map { .etcd(since: $0) } ?? .nothing(since: start) }

    /// Whether flags may be out of date: etcd was out of reach for too long, or was not reached yet, or changes are not
    /// followed any more.
    public var isStale: Bool { mirror.failure != nil || mirror.staleness.map { $0 > staleAfter } ?? true }

    /// Why changes are not followed any more; nil as long as they are.
    public var failure: EtcdError? { mirror.failure }

    /// All flags, as soon as they are known, and then those that change, revision by revision.
    public var changes: FlagChanges { FlagChanges(base: mirror.changes, prefix: name + "/") }
}
