// SPDX-License-Identifier: Apache-2.0

/// A copy of the entries in a range that follows the store; see ``EtcdClient/withMirror(of:options:_:)``.
///
/// Each view has one revision, and never shows a part of a transaction. The mirror survives broken connections,
/// compactions, and the restore of the store from a backup: if it has missed changes, it lists the entries again, and
/// its consumers get the difference.
///
/// When it cannot continue, ``failure`` has the reason, which ``views``, ``changes``, ``waitUntil(revision:)`` and
/// ``consistentView()`` throw. Its last ``view`` stays.
public final class KeyMirror: Sendable {
    private let follower: MirrorFollower
    /// The task that keeps a mirror without a scope current.
    private let following: Task<Void, Never>?

    init(_ follower: MirrorFollower, following: Task<Void, Never>? = nil) {
        self.follower = follower
        self.following = following
    }

    deinit { following?.cancel() }

    /// Ends a mirror that was made by ``EtcdClient/mirror(of:options:)``.
    ///
    /// Dropping the mirror ends it too. One with a scope ends with its scope.
    public func close() async {
        following?.cancel()
        await following?.value
    }

    // MARK: Reading

    /// The keys that are mirrored.
    public var range: KeyRange { follower.range }

    /// The entries as the mirror has them now.
    ///
    /// Taking it sends no request and does not wait. It may be behind the store by at most ``staleness``;
    /// ``consistentView()`` is not. Before the first list (see ``MirrorOptions/initialWait``) it is empty, and its
    /// revision is 0.
    public var view: MirrorView { follower.feed.read(\.view) }

    /// ``view`` with its version, for a cache of what was made of it.
    package var current: (version: MirrorVersion, view: MirrorView) {
        follower.feed.read { ($0.version, $0.view) }
    }

    /// When the first list was complete; nil before.
    package var listedSince: ContinuousClock.Instant? { follower.feed.read(\.listedSince) }

    /// Every change of the store that was made before this instant is in ``view``; nil before the first list.
    ///
    /// It moves with each check (``MirrorOptions/checkInterval``) and each ``consistentView()``.
    public var currentAsOf: ContinuousClock.Instant? { follower.feed.read(\.currentAsOf) }

    /// The time since ``currentAsOf``; nil before the first list.
    ///
    /// A reader that must not act on old data can stop when it is too long.
    public var staleness: Duration? { currentAsOf?.duration(to: .now) }

    /// Whether ``view`` may be out of date.
    ///
    /// It is true when ``staleness`` is more than three times ``MirrorOptions/checkInterval``, or more than 1 s if that
    /// is longer; before the first list; and when the mirror has ended. If checks are made less often because they take
    /// long, three times the pause between them counts.
    public var isStale: Bool { follower.feed.read(\.isStale) }

    /// Why the mirror has ended; nil while it has not.
    public var failure: EtcdError? { follower.feed.read(\.ending) }

    /// Waits until the mirror has reached `revision`.
    ///
    /// This works for revisions without a change in the range, too. In a store that was restored from a backup,
    /// revisions are lower than before.
    ///
    /// - Parameter revision: A revision, such as the one in the header of a put's answer.
    /// - Returns: A view of that revision or a later one.
    /// - Throws: ``EtcdError``: `cancelled`, or why the mirror has ended.
    @discardableResult
    public func waitUntil(revision: Revision) async throws(EtcdError) -> MirrorView {
        var patience = Duration.milliseconds(100)
        while true {
            let view = try await follower.feed.wait(until: .now + patience) { content in
                content.state.isListed && content.view.revision >= revision ? content.view : nil
            }
            if let view { return view }
            // The revision may have no change for the watch.
            do throws(EtcdError) {
                _ = try await follower.consistentView()
            } catch {
                if !error.code.isTransient { throw error }
            }
            patience = min(patience * 2, .seconds(5))
        }
    }

    /// The entries as they are in the store.
    ///
    /// The client asks the store for its revision, and waits until the mirror has reached it. If the store has changed
    /// and the range has not, the server has to read the range.
    ///
    /// - Returns: A view that has every change that was made before the call.
    /// - Throws: ``EtcdError``, among its codes `unavailable`, `deadlineExceeded` (the client's time for a call),
    ///   `cancelled`, or why the mirror has ended.
    public func consistentView() async throws(EtcdError) -> MirrorView {
        if let failure { throw failure }
        return try await follower.consistentView()
    }

    // MARK: Following

    /// The view as it is, once the mirror has listed its entries, and then the newest whenever there is a new one.
    ///
    /// A slow consumer skips views. An iteration throws ``EtcdError``: `cancelled`, or why the mirror has ended.
    public var views: MirrorViews { follower.feed.views }

    /// All entries as one change, and then all changes, revision by revision.
    ///
    /// Applied one after the other, they give the mirror's entries. ``view`` may be ahead of them, where changes have
    /// cancelled each other out. Each iteration has its own; when too many wait for
    /// a slow consumer (``MirrorOptions/maximumPendingChanges``), it gets the difference instead, in one. It throws what
    /// those of ``views`` throw, after all changes that are known.
    public var changes: MirrorChanges { follower.feed.changes }
}

/// The views of a mirror, the newest always; see ``KeyMirror/views``.
public typealias MirrorViews = UpdateSequence<MirrorView, EtcdError>

/// The changes of a mirror; see ``KeyMirror/changes``.
public typealias MirrorChanges = UpdateSequence<MirrorChange, EtcdError>
