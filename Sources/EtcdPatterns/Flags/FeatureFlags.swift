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
/// Definitions are under `<name>/`. All of them are mirrored, so an evaluation needs no call to etcd. When an edit
/// returns, the flags of this process are up to date. While etcd cannot be reached, flags do not change, and
/// evaluations have the reason ``FlagReason/stale``. If it cannot be reached at the start, flags have the caller's
/// defaults until it is reached; see ``source``.
///
/// A definition that cannot be read does not affect others: its flag has the caller's default, and ``errors`` and
/// ``rejections`` have its error.
public final class FeatureFlags: FlagReading {
    /// The beginning of the keys of the flags, before a slash.
    public let name: String
    let client: EtcdClient
    let mirror: KeyMirror
    private let staleAfter: Duration
    private let start = ContinuousClock.now
    private let cache = FlagCache()

    var prefix: Key { "\(name)/" }

    /// Reads all flags, and follows them until ``close()``, or until this is dropped.
    ///
    /// When it returns, all flags are known, unless etcd was not reached within `initialWait`. Then flags have the caller's
    /// defaults until etcd is reached; see ``source``.
    ///
    /// - Parameters:
    ///   - name: The beginning of the keys of the flags, before a slash.
    ///   - client: The client of the cluster.
    ///   - staleAfter: How long etcd may be out of reach before evaluations have the reason ``FlagReason/stale``.
    ///   - initialWait: How long to wait for etcd before it starts without flags.
    /// - Throws: ``EtcdError`` when the flags cannot be read for a reason that does not pass by itself, such as
    ///   `permissionDenied`; `emptyKey` and `invalidArgument` for a bad name.
    public convenience init(
        _ name: String,
        client: EtcdClient,
        staleAfter: Duration = .seconds(30),
        initialWait: Duration = .seconds(5)
    ) async throws(EtcdError) {
        try Self.check(name)
        let options = Self.options(staleAfter, initialWait)
        let mirror = try await client.mirror(of: .prefix("\(name)/"), options: options)
        self.init(name, client, mirror, staleAfter)
    }

    init(_ name: String, _ client: EtcdClient, _ mirror: KeyMirror, _ staleAfter: Duration) {
        self.name = name
        self.client = client
        self.mirror = mirror
        self.staleAfter = staleAfter
    }

    static func check(_ name: String) throws(EtcdError) { try Key(name).checkName(of: "set of flags") }

    /// The options of the mirror, which checks so often that flags do not count as old while etcd can be reached.
    static func options(_ staleAfter: Duration, _ initialWait: Duration) -> MirrorOptions {
        var options = MirrorOptions()
        options.initialWait = initialWait
        options.checkInterval = max(.milliseconds(100), min(options.checkInterval, staleAfter / 3))
        return options
    }

    /// Stops following changes; flags keep their last definitions.
    public func close() async { await mirror.close() }

    /// The current flags, to evaluate several of them at one revision.
    ///
    /// Taking the view costs nothing. The first evaluation that needs a changed definition reads it, and no other evaluation
    /// waits for that.
    public var view: FlagView {
        let (version, entries) = mirror.current
        return FlagView(StoredFlags(entries: entries, version: version, prefix: prefix, cache: cache))
    }

    /// The number of definitions that were read.
    var readCount: Int { cache.readCount }

    // MARK: State

    /// Each error in a definition, first the current ones, and then each new one when it is found.
    ///
    /// A corrected definition that breaks again is reported again. An iteration throws `CancellationError`, or the
    /// ``EtcdError`` that has ended the following of changes.
    public var rejections: UpdateSequence<FlagError, any Error> {
        UpdateSequence { [weak self, changes = mirror.changes] in
            var changes = changes.makeAsyncIterator()
            var known: Set<FlagError> = []
            var pending: ArraySlice<FlagError> = []
            return {
                while pending.isEmpty {
                    guard try await changes.nextOfWait() != nil, let errors = self?.errors else { return nil }
                    pending = errors.filter { !known.contains($0) }[...]
                    known = Set(errors)
                }
                return pending.popFirst()
            }
        }
    }

    /// The source of the flags: etcd, or nothing yet, so that callers' defaults apply.
    public var source: StateSource { mirror.listedSince.map { .etcd(since: $0) } ?? .nothing(since: start) }

    /// Whether flags may be out of date: etcd was out of reach for too long, or was not reached yet, or changes are not
    /// followed any more.
    public var isStale: Bool { mirror.failure != nil || mirror.staleness.map { $0 > staleAfter } ?? true }

    /// The reason why changes are not followed any more; nil as long as they are.
    public var failure: EtcdError? { mirror.failure }

    /// All flags, as soon as they are known, and then the changed ones of each revision, which evaluations use already.
    ///
    /// An iteration throws `CancellationError`, or the ``EtcdError`` that has ended the following of changes.
    public var changes: UpdateSequence<FlagChange, any Error> {
        UpdateSequence { [changes = mirror.changes, prefix] in
            var changes = changes.makeAsyncIterator()
            return { try await changes.nextOfWait().map { FlagChange($0, prefix) } }
        }
    }
}

extension MirrorChanges.Iterator {
    /// The next change.
    ///
    /// - Throws: `CancellationError` if the task was cancelled; the ``EtcdError`` that has ended the mirror.
    fileprivate mutating func nextOfWait() async throws -> MirrorChange? {
        do {
            return try await next()
        } catch {
            try Task.checkCancellation()
            throw error
        }
    }
}

extension EtcdClient {
    /// Follows feature flags while `body` runs.
    ///
    /// `body` starts when all flags are known, or after `initialWait`; see ``FeatureFlags/source``.
    ///
    /// If changes cannot be followed any more (the user may not read the keys, or the client is closed), the task of `body`
    /// is cancelled, and once `body` has ended, the reason is thrown. `body` runs in a task of its own, so that it can be
    /// cancelled.
    ///
    /// - Parameters:
    ///   - name: The beginning of the keys of the flags, before a slash.
    ///   - staleAfter: How long etcd may be out of reach before evaluations have the reason ``FlagReason/stale``.
    ///   - initialWait: How long to wait for etcd before `body` starts without flags.
    ///   - body: Uses the flags.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; ``EtcdError`` when the flags cannot be read for a reason that does not pass by
    ///   itself, or changes cannot be followed.
    @discardableResult
    public func withFeatureFlags<Result: Sendable>(
        _ name: String,
        staleAfter: Duration = .seconds(30),
        initialWait: Duration = .seconds(5),
        _ body: @escaping @Sendable (FeatureFlags) async throws -> Result
    ) async throws -> Result {
        try FeatureFlags.check(name)
        let options = FeatureFlags.options(staleAfter, initialWait)
        return try await withMirror(of: .prefix("\(name)/"), options: options) { mirror in
            try await body(FeatureFlags(name, self, mirror, staleAfter))
        }
    }
}

/// The flags that have changed with a revision; see ``FeatureFlags/changes``.
public struct FlagChange: Sendable, Hashable, CustomStringConvertible {
    /// The revision of the store with the change.
    public let revision: Revision
    /// The names of flags that are new or have changed, in order.
    public let updated: [String]
    /// The names of flags that are gone, in order.
    public let removed: [String]

    /// Makes a change, for tests; the parameters are its properties.
    public init(revision: Revision, updated: [String] = [], removed: [String] = []) {
        self.revision = revision
        self.updated = updated
        self.removed = removed
    }

    init(_ change: MirrorChange, _ prefix: Key) {
        self.init(
            revision: change.revision,
            updated: change.puts.map { $0.entry.key.dropping(prefix).description },
            removed: change.deletions.map { $0.key.dropping(prefix).description }
        )
    }

    /// The revision and the flags in one line.
    public var description: String { "revision \(revision): \(updated) updated, \(removed) removed" }
}
