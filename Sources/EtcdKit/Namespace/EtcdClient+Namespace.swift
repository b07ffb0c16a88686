// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// The same client for the keys under a prefix only, which it names without the prefix.
    ///
    /// ```swift
    /// let team = client.with(namespace: "team-a/")
    /// try await team.put("owner", "me")     // puts team-a/owner
    /// try await team.delete(.all)           // deletes what is under team-a/, and nothing else
    /// ```
    ///
    /// All calls, transactions, watches and answers are about those keys as if there were no others. A key has at least
    /// one byte within the namespace too, so an empty one throws `emptyKey` (a watch of it `invalidArgument`), and the key
    /// that equals the prefix is not in the namespace. A namespace within a namespace has both prefixes.
    ///
    /// Revisions, compactions, leases, members, users and the keys in permissions are those of the whole cluster: changes
    /// elsewhere make revisions too, `compact` drops the history of all keys, and ``Leases/revoke(_:)`` deletes all keys of
    /// a lease. ``Leases/timeToLive(of:withKeys:)`` leaves out the keys that are outside.
    ///
    /// A namespace keeps keys apart, not users: what a user may do is for etcd's roles to say.
    ///
    /// - Parameter namespace: The prefix, which is best ended by a separator; an empty one changes nothing.
    /// - Returns: A client that shares the connections of this one.
    public func with(namespace: Key) -> EtcdClient {
        var client = self
        client.scope = Namespace(prefix: self.namespace + namespace)
        return client
    }

    /// The prefix of all keys of the client; empty for the whole store.
    public var namespace: Key { scope?.prefix ?? "" }
}
