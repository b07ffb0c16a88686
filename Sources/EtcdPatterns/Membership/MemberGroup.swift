// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A group of processes that all work, and know each other: active-active.
///
/// ```swift
/// let group = try MemberGroup("workers", on: .client(client))
/// try await group.withMembership(as: "worker-1") { membership in
///     for try await view in group.views {
///         print(view.epoch, view.members.map(\.id), view.owner(of: "customer-7")?.id == membership.id)
///     }
/// }
/// ```
///
/// A member is a key under `<name>/members/<id>/` that lives as long as its session. Processes with the same ID queue there
/// as for a lock: one is the member, the others wait.
public struct MemberGroup: Sendable {
    /// The name of the group.
    public let name: String
    let source: SessionSource

    /// Describes a group, which begins with its first member.
    ///
    /// - Parameters:
    ///   - name: The name of the group.
    ///   - source: The session of a membership; with `.client`, a new one whenever a session is lost.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: String, on source: SessionSource) throws(EtcdError) {
        try Key(name).checkName(of: "group")
        try source.check()
        self.name = name
        self.source = source
    }

    /// The beginning of the keys of all members.
    var prefix: Key { Key(name) + "/members/" }

    // MARK: Joining

    /// Joins the group, runs `body`, and leaves.
    ///
    /// The membership is kept for as long as `body` runs, and taken again after a loss; so a loss does not cancel `body`.
    /// `body` runs where the caller runs.
    ///
    /// - Parameters:
    ///   - id: The ID of the member, without a slash.
    ///   - value: The member's description of itself, such as its address.
    ///   - timeout: How long to wait while another process has the ID; nil waits without a limit.
    ///   - initialWait: How long to wait while etcd does not answer; then `body` starts without a membership, which begins
    ///     by itself as soon as etcd answers.
    ///   - body: Runs as a member.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`, and the errors of ``join(as:value:timeout:initialWait:)``.
    public func withMembership<Result>(
        as id: String,
        value: Value = "",
        timeout: Duration? = nil,
        initialWait: Duration = .seconds(5),
        _ body: (Membership) async throws -> Result
    ) async throws -> Result {
        let membership = try await join(as: id, value: value, timeout: timeout, initialWait: initialWait)
        return try await releasing({ await membership.leave() }) { try await body(membership) }
    }

    /// Joins the group until ``Membership/leave(timeout:)``.
    ///
    /// A process that comes back after a crash waits until its old session has run out.
    ///
    /// - Parameters:
    ///   - id: The ID of the member, without a slash.
    ///   - value: The member's description of itself, such as its address.
    ///   - timeout: How long to wait while another process has the ID; nil waits without a limit.
    ///   - initialWait: How long to wait while etcd does not answer; then this returns a membership that is not active yet,
    ///     has the reason (``Membership/failure``), and begins by itself as soon as etcd answers.
    /// - Returns: The membership.
    /// - Throws: ``BusyError`` when another process has had the ID for all of `timeout`; ``QueueBlocked`` when only a
    ///   deletion removes the key that has the ID; ``EtcdError``, among its codes `unavailable` when etcd has not
    ///   answered for all of a `timeout` that is shorter than `initialWait`, `invalidArgument` for an invalid ID, and
    ///   `permissionDenied`; `CancellationError`.
    public func join(
        as id: String,
        value: Value = "",
        timeout: Duration? = nil,
        initialWait: Duration = .seconds(5)
    ) async throws -> Membership {
        let membership = Membership(id, try MemberPlace(id, value, in: self))
        do {
            try await membership.begin(timeout: timeout, initialWait: initialWait)
            return membership
        } catch {
            await membership.leave()
            guard var busy = error as? BusyError else { throw error }
            busy.detail = ": it is a member of \"\(name)\" already\(await holder(of: id))"
            throw busy
        }
    }

    /// The lease that has an ID, for a message; empty if that cannot be read at once.
    private func holder(of id: String) async -> String {
        let range = KeyRange.prefix(prefix + Key(id) + "/")
        let entries = try? await source.client.with(timeout: .seconds(1)).queueEntries(in: range, limit: 1)
        return entries?.first?.lease.map { ", of lease \($0)" } ?? ""
    }

    // MARK: Looking

    /// Reads the members of the group.
    ///
    /// - Returns: The current view.
    /// - Throws: ``EtcdError``.
    public func view() async throws(EtcdError) -> GroupView {
        let response = try await source.client.range(.prefix(prefix))
        return GroupView(epoch: response.header.revision, entries: response.entries, behind: prefix)
    }

    /// The current view, and then the newest whenever the members have changed; the observer need not be a member.
    ///
    /// It continues across broken connections, compactions and restorations. A slow consumer skips views. An iteration
    /// throws ``EtcdError`` when the members cannot be followed, such as `permissionDenied`, or `CancellationError`.
    public var views: GroupViews {
        source.client.values(of: .prefix(prefix), isSame: { $0.members == $1.members }) { [prefix] view in
            GroupView(epoch: view.revision, entries: view, behind: prefix)
        }
    }

    /// Waits until there are enough members.
    ///
    /// - Parameter count: The number of members.
    /// - Returns: The first view with at least that many.
    /// - Throws: ``EtcdError`` or `CancellationError`, as ``views`` do.
    @discardableResult
    public func waitUntil(memberCount count: Int) async throws -> GroupView {
        var views = views.makeAsyncIterator()
        while let view = try await views.next() {
            if view.members.count >= count { return view }
        }
        throw CancellationError()
    }
}

/// The views of a group, always the newest; see ``MemberGroup/views``.
public typealias GroupViews = UpdateSequence<GroupView, any Error>
