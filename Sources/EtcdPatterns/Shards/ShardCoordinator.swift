// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Shards, each of which one member of a group owns at a time: a leadership for each, spread over all.
///
/// ```swift
/// let shards = try ShardCoordinator("orders", shardCount: 64, memberID: "worker-1", client: client)
/// try await shards.run { shard in
///     while true {
///         try await shard.guarded(then: [.put("orders-done/\(shard.id)", "…")])
///         try await Task.sleep(for: .seconds(1))
///     }
/// }
/// ```
///
/// There is no planner. Each member computes from the list of members which shards are whose, and all come to the same.
/// A member takes its shards as soon as nobody owns them, and gives up those that have become another's. Exclusion does not
/// depend on that list: the owner is who has the shard's key, `<name>/owners/<shard>`, which only one can put.
///
/// No member gets more than an eighth above the average, and when members come and go, little moves that need not. All
/// members must be given the same shards; those that were given others, as while a new version is rolled out, divide all
/// shards among themselves, and still no shard has two owners.
public final class ShardCoordinator: Sendable {
    /// The name of the group.
    public let name: Key
    /// The ID of this member.
    public let memberID: Key
    /// The names of the shards.
    public let shards: [Key]
    let client: EtcdClient
    let group: MemberGroup
    /// Tells members apart that were given other shards.
    let fingerprint: Value
    private let seat: Seat
    let drainTime: Duration
    let restartGrace: Duration
    let report: @Sendable (Event) -> Void
    private let work = Lock<ShardWork?>(nil)

    /// Describes a member that shares shards with others.
    ///
    /// - Parameters:
    ///   - name: The name of the group.
    ///   - shards: The names of the shards, the same for all members; each once, and not empty.
    ///   - memberID: Tells the members apart; without a slash.
    ///   - client: The way to the cluster.
    ///   - timeToLive: How long others have to wait for the shards of a member whose process has died, in whole seconds
    ///     (rounded up).
    ///   - drainTime: How long a body may take to end when its shard goes to another member; then the shard is given up
    ///     although the body still runs.
    ///   - restartGrace: For how long the shards of a member that has gone stay free for it to come back, as when it is
    ///     restarted.
    ///   - onEvent: Is told what happens; must return soon.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(
        _ name: Key,
        shards: [Key],
        memberID: Key,
        client: EtcdClient,
        timeToLive: Duration = .seconds(15),
        drainTime: Duration = .seconds(10),
        restartGrace: Duration = .zero,
        onEvent: @escaping @Sendable (Event) -> Void = { _ in }
    ) throws(EtcdError) {
        let group = try MemberGroup(name, client: client, timeToLive: timeToLive)
        var known: Set<Key> = []
        for shard in shards where shard.bytes.isEmpty || !known.insert(shard).inserted {
            throw EtcdError(.invalidArgument, "shard \"\(shard)\" of \"\(name)\" is there twice, or without a name")
        }
        let hash = shards.reduce(0) { $0 &+ RendezvousHash.hash($1.bytes) }
        let fingerprint = Value("\(shards.count) shards \(String(hash, radix: 16))")
        seat = try Seat(memberID, fingerprint, in: group)
        self.group = group
        self.fingerprint = fingerprint
        self.name = name
        self.shards = shards
        self.memberID = memberID
        self.client = client
        self.drainTime = drainTime
        self.restartGrace = restartGrace
        report = onEvent
    }

    /// Describes a member that shares a number of shards, named `0`, `1` and so on, with others.
    ///
    /// - Parameters:
    ///   - name: The name of the group.
    ///   - shardCount: How many shards there are, the same for all members.
    ///   - memberID: Tells the members apart; without a slash.
    ///   - client: The way to the cluster.
    ///   - timeToLive: How long others have to wait for the shards of a member whose process has died, in whole seconds
    ///     (rounded up).
    ///   - drainTime: How long a body may take to end when its shard goes to another member; then the shard is given up
    ///     although the body still runs.
    ///   - restartGrace: For how long the shards of a member that has gone stay free for it to come back, as when it is
    ///     restarted.
    ///   - onEvent: Is told what happens; must return soon.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public convenience init(
        _ name: Key,
        shardCount: Int,
        memberID: Key,
        client: EtcdClient,
        timeToLive: Duration = .seconds(15),
        drainTime: Duration = .seconds(10),
        restartGrace: Duration = .zero,
        onEvent: @escaping @Sendable (Event) -> Void = { _ in }
    ) throws(EtcdError) {
        if shardCount < 1 { throw EtcdError(.invalidArgument, "\"\(name)\" with \(shardCount) shards") }
        try self.init(
            name,
            shards: (0..<shardCount).map { "\($0)" },
            memberID: memberID,
            client: client,
            timeToLive: timeToLive,
            drainTime: drainTime,
            restartGrace: restartGrace,
            onEvent: onEvent
        )
    }

    var ownerPrefix: Key { name + "/owners/" }

    // MARK: Running

    /// Joins the group, and runs `body` for each shard while this member owns it, until the task is cancelled.
    ///
    /// The task of `body` is cancelled when the shard is lost, or goes to another member, which takes it once `body` has
    /// ended; in between, the shard is still owned. A body that returns or throws is run again after a pause, with a new
    /// token. After a loss of its session, the member joins again by itself.
    ///
    /// Cancellation hands all shards off in the same way. This returns when all bodies have ended: one that does not end when
    /// it is told to keeps it, but not its shard, which is free for others after the drain time.
    ///
    /// It begins also without etcd, goes on by itself through all that another attempt may overcome, and says so
    /// (``Event/failed(_:)``).
    ///
    /// - Parameter body: Does the work on a shard.
    /// - Throws: ``EtcdError`` for what trying again does not help, such as `permissionDenied`, when all bodies have ended; or
    ///   `invalidArgument` when it runs already.
    public func run(_ body: @escaping @Sendable (Shard) async throws -> Void) async throws {
        let work = ShardWork(self, body)
        let isFirst = self.work.withLock { current in
            if current != nil { return false }
            current = work
            return true
        }
        guard isFirst else { throw EtcdError(.invalidArgument, "\"\(memberID)\" runs in \"\(name)\" already") }
        defer { self.work.withLock { $0 = nil } }
        let service = Tenure()
        let failure = await withTaskCancellationHandler {
            // Bodies are cancelled one by one, before their shards are given up, so not by way of this task.
            await shielded { await work.run { await self.serve(service, work) } }
        } onCancel: {
            service.end(CoordinationLoss(.closed))
        }
        if let failure { throw failure }
    }

    /// Joins again and again, until the service ends.
    ///
    /// - Returns: Why it cannot go on, if it is not told to end.
    private func serve(_ service: Tenure, _ work: ShardWork) async -> (any Error)? {
        let backoff = Backoff()
        var failures = 0
        while service.loss == nil {
            let start = ContinuousClock.now
            do {
                try await join(service, work)
            } catch {
                if service.loss != nil { break }
                if let error = error as? EtcdError, error.code != .ambiguous, !error.code.isTransient { return error }
                report(.failed(error))
            }
            failures = .now - start < group.timeToLive ? failures + 1 : 0
            let pause = backoff.delay(afterFailures: failures)
            try? await service.whileHeld { try await Task.sleep(for: pause) }
        }
        return nil
    }

    /// Joins, and keeps shards until the place among the members is lost.
    private func join(_ service: Tenure, _ work: ShardWork) async throws {
        let taken = Lock<(mirror: KeyMirror, grant: LockGrant)?>(nil)
        do {
            try await service.whileHeld { [client, name, seat, report] in
                let mirror = try await client.mirror(of: .prefix(name + "/"))
                let grant = try await seat.take { report(.waitingForID) }
                taken.withLock { $0 = (mirror, grant) }
            }
        } catch {
            if let taken = taken.withLock({ $0 }) { await seat.leave(taken.grant) }
            throw error
        }
        guard let (mirror, grant) = taken.withLock({ $0 }) else { return }
        report(.joined)
        let result: Result<Void, EtcdError>
        do throws(EtcdError) {
            result = .success(try await ShardKeeper(self, grant, mirror, service, work).run())
        } catch {
            result = .failure(error)
        }
        let loss = grant.hold.tenure.loss
        await seat.leave(grant)
        await mirror.close()
        if let loss { report(.left(loss)) }
        try result.get()
    }

    // MARK: How it stands

    /// The shards that this member owns now.
    public var owned: [Shard] { work.withLock { $0 }?.owned ?? [] }

    /// Tells who owns which shard.
    ///
    /// - Returns: All shards, in the order in which they were given.
    /// - Throws: ``EtcdError``.
    public func owners() async throws(EtcdError) -> [ShardOwner] {
        var owners: [Key: KeyValue] = [:]
        for entry in try await client.range(.prefix(ownerPrefix)).entries { owners[entry.key] = entry }
        return shards.map { shard in
            let entry = owners[ownerPrefix + shard]
            let member = entry.map { Key(bytes: $0.value.bytes) }
            return ShardOwner(shard: shard, member: member, fencingToken: entry?.createRevision)
        }
    }
}
