// SPDX-License-Identifier: Apache-2.0

/// How a mirror reads and checks.
public struct MirrorOptions: Sendable, Hashable {
    /// How often the mirror makes sure that it is current, and that the store was not restored from a backup.
    ///
    /// A check is a small read. If the store has changed and the range has not, the server has to read the range. So
    /// slow checks are made less often, and take at most a twentieth of the time.
    public var checkInterval = Duration.seconds(5)
    /// How many changed entries may wait for a subscriber to ``KeyMirror/changes``.
    ///
    /// A subscriber that is farther behind gets the difference instead.
    public var maximumPendingChanges = 1000
    /// How long opening a mirror waits for the first list.
    ///
    /// If the list has not come by then, the mirror starts without entries: its view has the revision 0, and
    /// ``KeyMirror/isStale`` is true. It keeps trying. The list is the first change of its subscribers. `.zero` starts
    /// at once. Opening still throws an error that does not pass by itself, such as `permissionDenied`.
    ///
    /// Nil means that opening throws when the entries cannot be listed within the client's time for a call.
    public var initialWait: Duration?

    /// Makes options for mirrors of any size.
    public init() {}
}
