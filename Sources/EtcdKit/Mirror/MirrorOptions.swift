// SPDX-License-Identifier: Apache-2.0

/// How a mirror reads and checks.
public struct MirrorOptions: Sendable, Hashable {
    /// How often the mirror makes sure that it is current, and that the store was not restored from a backup.
    ///
    /// A check is a small read. Where the store has changed since and the range has not, it makes the server look through
    /// the range; a check that takes long is therefore made less often, so that checks take a twentieth of the time.
    public var checkInterval = Duration.seconds(5)
    /// How many changed entries wait for a subscriber to ``KeyMirror/changes``.
    ///
    /// One that is farther behind gets the difference instead.
    public var maximumPendingChanges = 1000
    /// How long opening a mirror waits for the first list.
    ///
    /// If the list has not come by then, the mirror starts without entries: its view has the revision 0, and
    /// ``KeyMirror/isStale`` is true. It goes on trying by itself. The list is the first change of its subscribers. `.zero`
    /// starts at once. An error that does not pass by itself, such as `permissionDenied`, is still thrown by the opening.
    ///
    /// Nil means that opening throws when the entries cannot be listed within the client's time for a call.
    public var initialWait: Duration?

    /// Makes options for mirrors of any size.
    public init() {}
}
