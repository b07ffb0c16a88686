// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// Lends a client of the shared etcd to `body`, with a prefix of keys that no other test uses.
///
/// Revisions go up by others' changes too.
@discardableResult
func withLiveClient<Result>(_ body: (EtcdClient, Key) async throws -> Result) async throws -> Result {
    try await withEtcdClient(endpoints: LiveEtcd.endpoint) { client in
        try await body(client, LiveEtcd.uniqueName() + "/")
    }
}

extension EtcdClient {
    /// How many calls and streams are open on the client's connections.
    var openStreamCount: Int {
        get async { await core.channel.openStreamCount }
    }
}

extension Channel {
    fileprivate var openStreamCount: Int { links.reduce(0) { $0 + $1.connection.openStreamCount } }
}
