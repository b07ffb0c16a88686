// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A group of processes that all work, and know of each other: active-active.
///
/// ```swift
/// let group = try MemberGroup("workers", client: client)
/// try await group.withMembership(as: "worker-1") { membership in
///     for try await view in group.views {
///         print(view.epoch, view.members.map(\.id), view.owner(of: "customer-7")?.id == membership.id)
///     }
/// }
/// ```
///
/// A member is a key under `<name>/members/<id>/` that lives as long as its session. Those who want the same ID queue
/// there as for a lock: one has it, the others wait.
public struct MemberGroup: Sendable {
    /// The name of the group.
    public let name: Key
    let client: EtcdClient
    let timeToLive: Duration

    /// Describes a group, which comes to be with its first member.
    ///
    /// - Parameters:
    ///   - name: The name of the group.
    ///   - client: The way to the cluster.
    ///   - timeToLive: How long a member is listed when its process has died, in whole seconds (rounded up).
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: Key, client: EtcdClient, timeToLive: Duration = .seconds(15)) throws(EtcdError) {
        try name.checkName(of: "group")
        try SessionSource.own(client, timeToLive: timeToLive).check()
        self.name = name
        self.client = client
        self.timeToLive = timeToLive
    }

    /// What the keys of members begin with.
    var prefix: Key { name + "/members/" }

    // MARK: Joining

    /// Joins the group, runs `body`, and leaves.
    ///
    /// The membership is renewed for as long as `body` runs, with a new session where the old one is lost; so `body` is
    /// not cancelled by a loss. It runs where the caller runs.
    ///
    /// - Parameters:
    ///   - id: Tells the members apart; without a slash.
    ///   - value: What the member says of itself, such as where it is.
    ///   - timeout: How long to wait while another has the ID; nil for as long as it takes.
    ///   - initialWait: How long to wait while etcd does not answer; then `body` starts without, and the membership
    ///     begins by itself as soon as etcd answers.
    ///   - body: Runs as a member.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws, and what ``join(as:value:timeout:initialWait:)`` does.
    public func withMembership<Result>(
        as id: Key,
        value: Value = "",
        timeout: Duration? = nil,
        initialWait: Duration = .seconds(5),
        _ body: (Membership) async throws -> Result
    ) async throws -> Result {
        let membership = try await join(as: id, value: value, timeout: timeout, initialWait: initialWait)
        do {
            let result = try await body(membership)
            await membership.leave()
            return result
        } catch {
            await membership.leave()
            throw error
        }
    }

    /// Joins the group until ``Membership/leave(timeout:)``.
    ///
    /// A process that comes back after a crash waits until its old session has run out.
    ///
    /// - Parameters:
    ///   - id: Tells the members apart; without a slash.
    ///   - value: What the member says of itself, such as where it is.
    ///   - timeout: How long to wait while another has the ID; nil for as long as it takes.
    ///   - initialWait: How long to wait while etcd does not answer; then the membership is returned without: it is not
    ///     active yet, says why (``Membership/failure``), and begins by itself as soon as etcd answers.
    /// - Returns: The membership.
    /// - Throws: ``QueueBlocked`` when the ID never becomes free, since nothing ends the key that has it; ``EtcdError``,
    ///   among its codes `deadlineExceeded` when another has had the ID for all of `timeout`, `unavailable` when etcd has not answered for all of a `timeout` that is shorter than `initialWait`,
    ///   `invalidArgument` for an ID that cannot be one, `permissionDenied` and `cancelled`.
    public func join(
        as id: Key,
        value: Value = "",
        timeout: Duration? = nil,
        initialWait: Duration = .seconds(5)
    ) async throws -> Membership {
        let membership = Membership(id, try Seat(id, value, in: self))
        do {
            try await membership.begin(timeout: timeout, initialWait: initialWait)
            return membership
        } catch {
            await membership.leave()
            guard case EtcdError.Code.deadlineExceeded = error else { throw error }
            throw EtcdError(.deadlineExceeded, "\"\(id)\" is a member of \"\(name)\" already\(await holder(of: id))")
        }
    }

    /// Whose an ID is, for a message; empty if that cannot be told at once.
    private func holder(of id: Key) async -> String {
        let entries = try? await client.with(timeout: .seconds(1)).queueEntries(
            in: .prefix(prefix + id + "/"),
            limit: 1
        )
        return entries?.first?.lease.map { ", of lease \($0)" } ?? ""
    }

    // MARK: Looking

    /// Reads who is in the group.
    ///
    /// - Returns: The present view.
    /// - Throws: ``EtcdError``.
    public func view() async throws(EtcdError) -> GroupView {
        let response = try await client.range(.prefix(prefix))
        return GroupView(epoch: response.header.revision, entries: response.entries, behind: prefix)
    }

    /// The present view, and then the newest whenever the members have changed; one need not be a member for it.
    public var views: GroupViews { GroupViews(client: client, prefix: prefix) }

    /// Waits until there are enough members.
    ///
    /// - Parameter count: How many.
    /// - Returns: The first view seen that has as many.
    /// - Throws: ``EtcdError``, as ``views`` do.
    @discardableResult
    public func waitUntil(memberCount count: Int) async throws(EtcdError) -> GroupView {
        var views = views.makeAsyncIterator()
        while let view = try await views.next() {
            if view.members.count >= count { return view }
        }
        throw EtcdError(.cancelled, "the task was cancelled")
    }
}
