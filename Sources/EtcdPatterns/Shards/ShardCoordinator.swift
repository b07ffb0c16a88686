// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Shards, each of which is owned by one member of a group at a time: like an election for each shard, spread over all
/// members.
///
/// ```swift
/// let shards = try ShardCoordinator("orders", shards: .numbered(64), memberID: "worker-1", client: client)
/// try await shards.run { shard in
///     while true {
///         try await shard.guarded(then: [.put("orders-done/\(shard.id)", "…")])
///         try await Task.sleep(for: .seconds(1))
///     }
/// }
/// ```
///
/// There is no planner. Each member computes from the list of members which shards belong to which, and all get the
/// same result. A member takes its shards as soon as they have no owner, and gives up those that now belong to another
/// member. Exclusion does not depend on that list: the owner of a shard is the member that has put its key,
/// `<name>/owners/<shard>`, and only one can.
///
/// No member gets more than an eighth above the average, and when members come and go, few shards move without need.
/// All members must be given the same shards; members that were given others, as during a rollout, divide all shards
/// among themselves, and still no shard has two owners.
public final class ShardCoordinator: Sendable {
    /// The names of shards.
    public struct Names: Sendable {
        let names: [String]

        /// Shards with these names.
        ///
        /// - Parameter names: The names, each once, and not empty.
        /// - Returns: The names.
        public static func named(_ names: [String]) -> Names { Names(names: names) }

        /// A number of shards, named `0`, `1` and so on.
        ///
        /// - Parameter count: The number of shards, at least 1.
        /// - Returns: The names.
        public static func numbered(_ count: Int) -> Names { Names(names: (0..<max(0, count)).map { "\($0)" }) }
    }

    /// The name of the group.
    public let name: String
    /// The ID of this member.
    public let memberID: String
    /// The names of the shards.
    public let shards: [String]
    let group: MemberGroup
    /// The same for members that were given the same shards.
    let fingerprint: Value
    private let place: MemberPlace
    let drainTime: Duration
    let restartGrace: Duration
    let report: @Sendable (Event) -> Void
    private let work = Lock<ShardWork?>(nil)

    /// Describes a member that shares shards with others.
    ///
    /// - Parameters:
    ///   - name: The name of the group.
    ///   - shards: The names of the shards, the same for all members; at least one.
    ///   - memberID: The ID of this member, without a slash.
    ///   - client: Opens a session for each membership, which takes the keys of the shards along when it ends.
    ///   - timeToLive: How long others wait for the shards of a process that has died, in whole seconds (rounded up), at
    ///     least 2 s.
    ///   - drainTime: How long a body may take to end when its shard goes to another member; then the shard is given up
    ///     although the body still runs.
    ///   - restartGrace: How long the shards of a member that has gone are kept free for it, as for a restart.
    ///   - onEvent: Is called with each event; it must return soon.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(
        _ name: String,
        shards: Names,
        memberID: String,
        client: EtcdClient,
        timeToLive: Duration = .seconds(15),
        drainTime: Duration = .seconds(10),
        restartGrace: Duration = .zero,
        onEvent: @escaping @Sendable (Event) -> Void = { _ in }
    ) throws(EtcdError) {
        let group = try MemberGroup(name, on: .client(client, timeToLive: timeToLive))
        let names = shards.names
        if names.isEmpty { throw EtcdError(.invalidArgument, "\"\(name)\" has no shards: it needs 1 at least") }
        var known: Set<String> = []
        for shard in names where shard.isEmpty || !known.insert(shard).inserted {
            throw EtcdError(.invalidArgument, "shard \"\(shard)\" of \"\(name)\" is there twice, or without a name")
        }
        let hash = names.reduce(0) { $0 &+ RendezvousHash.hash(Key($1).bytes) }
        let fingerprint = Value("\(names.count) shards \(String(hash, radix: 16))")
        place = try MemberPlace(memberID, fingerprint, in: group)
        self.group = group
        self.fingerprint = fingerprint
        self.name = name
        self.shards = names
        self.memberID = memberID
        self.drainTime = drainTime
        self.restartGrace = restartGrace
        report = onEvent
    }

    var client: EtcdClient { group.source.client }
    var ownerPrefix: Key { Key(name) + "/owners/" }

    // MARK: Running

    /// Joins the group, and runs `body` for each shard while this member owns it, until the task is cancelled.
    ///
    /// The task of `body` is cancelled when the shard is lost, or goes to another member, which takes it once `body` has
    /// ended; in between, the shard is still owned. A body that returns or throws runs again after a pause, with a new
    /// token. After a loss of its session, the member joins again by itself.
    ///
    /// Cancellation hands all shards off in the same way, and then this returns. It waits for all bodies: a body that does not
    /// end when it is cancelled delays the return, but not its shard, which is free for others after the drain time.
    ///
    /// This also begins while etcd does not answer. It repeats an attempt that may succeed later, and reports that as
    /// ``Event/failed(_:)``.
    ///
    /// - Parameter body: Does the work on a shard.
    /// - Throws: ``EtcdError`` for an error that another attempt would not change, such as `permissionDenied`, when all bodies
    ///   have ended, and `invalidArgument` when it runs already.
    public func run(_ body: @escaping @Sendable (Shard) async throws -> Void) async throws {
        let work = ShardWork(self, body)
        let isFirst = self.work.withLock { current in
            if current != nil { return false }
            current = work
            return true
        }
        guard isFirst else { throw EtcdError(.invalidArgument, "\"\(memberID)\" runs in \"\(name)\" already") }
        defer { self.work.withLock { $0 = nil } }
        let service = Lifetime()
        let failure = await withTaskCancellationHandler {
            // Bodies are cancelled one by one, before their shards are given up, so not through this task.
            await withoutCancellation { await work.run { await self.serve(service, work) } }
        } onCancel: {
            service.end(CoordinationLoss(.closed))
        }
        if let failure { throw failure }
    }

    /// Joins repeatedly, until the service ends.
    ///
    /// - Returns: The error because of which it cannot go on; nil if the service has ended.
    private func serve(_ service: Lifetime, _ work: ShardWork) async -> (any Error)? {
        let backoff = Backoff()
        var failures = 0
        while service.loss == nil {
            let start = ContinuousClock.now
            do {
                try await join(service, work)
            } catch {
                if service.loss != nil { break }
                // A blocked ID may become free.
                if !(error is QueueBlocked), !place.mayPass(error) { return error }
                report(.failed(error))
            }
            failures = .now - start < group.source.timeToLive ? failures + 1 : 0
            let pause = backoff.delay(afterFailures: failures)
            try? await service.whileHeld { try await Task.sleep(for: pause) }
        }
        return nil
    }

    /// Joins, and keeps shards until the place among the members is lost.
    private func join(_ service: Lifetime, _ work: ShardWork) async throws {
        let taken = Lock<(mirror: KeyMirror, hold: Hold)?>(nil)
        do {
            try await service.whileHeld { [client, group, place, report] in
                let mirror = try await client.mirror(of: .prefix(Key(group.name) + "/"))
                let hold = try await place.take { report(.waitingForID) }
                taken.withLock { $0 = (mirror, hold) }
            }
        } catch {
            if let taken = taken.withLock({ $0 }) { await place.leave(taken.hold) }
            throw error
        }
        guard let (mirror, hold) = taken.withLock({ $0 }) else { return }
        report(.joined)
        try await releasing {
            let loss = hold.lifetime.loss
            await place.leave(hold)
            await mirror.close()
            if let loss { report(.left(loss)) }
        } after: {
            try await ShardKeeper(coordinator: self, place: hold, mirror: mirror, service: service, work: work).run()
        }
    }

    // MARK: State

    /// The shards that this member owns now.
    public var owned: [Shard] { work.withLock { $0 }?.owned ?? [] }

    /// Reads the owners of all shards.
    ///
    /// - Returns: All shards, in the order in which they were given.
    /// - Throws: ``EtcdError``.
    public func owners() async throws(EtcdError) -> [ShardOwner] {
        let entries = try await client.range(.prefix(ownerPrefix)).entries
        let owners = Dictionary(entries.map { ($0.key, $0) }) { $1 }
        return shards.map { shard in
            let entry = owners[ownerPrefix + Key(shard)]
            return ShardOwner(shard: shard, member: entry.map { "\($0.value)" }, fencingToken: entry?.createRevision)
        }
    }

    // MARK: Events

    /// An event of a member and its shards.
    ///
    /// More may be added, so a `switch` over events needs a `default`.
    public enum Event: Sendable, CustomStringConvertible {
        /// Another process has the member's ID, or its own earlier session has not run out yet: it waits for that.
        case waitingForID
        /// The member has joined, and takes its shards.
        case joined
        /// The place among the members is lost, and all shards with it; the member joins again.
        case left(CoordinationLoss)
        /// A shard is owned now, and its body starts.
        case owned(Shard)
        /// The body has ended because the shard goes to another member, or this one stops.
        case handedOff(Shard)
        /// The shard was lost, and the body has ended since; ``CoordinationLoss/overrun`` says how long that took.
        case lost(Shard, CoordinationLoss)
        /// The body has returned, or thrown an error: the shard is given up, to be taken again after a pause.
        case ended(Shard, (any Error)?)
        /// The body still runs although it was cancelled the drain time ago: the shard is given up nevertheless.
        case overran(Shard)
        /// An attempt has failed with this error, and is repeated.
        case failed(any Error)

        /// The event in one line.
        public var description: String {
            switch self {
            case .waitingForID: "waiting for the ID"
            case .joined: "joined"
            case .left(let loss): "left: \(loss)"
            case .owned(let shard): "owns \(shard.id)"
            case .handedOff(let shard): "handed off \(shard.id)"
            case .lost(let shard, let loss): "lost \(shard.id): \(loss)"
            case .ended(let shard, let error): "the body of \(shard.id) has ended\(error.map { ": \($0)" } ?? "")"
            case .overran(let shard): "the body of \(shard.id) still runs after its cancellation"
            case .failed(let error): "failed: \(error)"
            }
        }
    }
}
