// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Waiters in the order in which their keys were created, as in etcd's lock for Go: the first one has its turn.
///
/// A key is `<name>/<lease>-<nonce>`, or `<name>/shared-<lease>-<nonce>`. So each acquisition has a key of its own, and a
/// put that is repeated finds the key of the first attempt.
struct FairQueue: Sendable {
    let session: Session
    let name: Key
    /// Keys of the same owner that it could not delete.
    var staleKeys: StaleKeys?
    /// Learns how far an acquisition has come.
    var attempt = Attempt()

    var client: EtcdClient { session.client }
    var range: KeyRange { .prefix(name + "/") }
}

extension EtcdClient {
    /// Lists a queue, in the order of its turns.
    func queueEntries(in range: KeyRange, limit: Int? = nil) async throws(EtcdError) -> [KeyValue] {
        var options = RangeOptions()
        options.limit = limit
        options.sort = .ascending(by: .createRevision)
        return try await self.range(range, options: options).entries
    }
}
