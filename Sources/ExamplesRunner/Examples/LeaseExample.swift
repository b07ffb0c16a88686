// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension Example {
    static let lease = Example(
        name: "lease",
        summary: "a key that lives as long as its owner"
    ) { context in
        let client = context.client
        let key = context.prefix + "alive"

        // The lease is kept alive while the body runs, and revoked when it has ended: the key goes with it.
        try await client.withLease(timeToLive: .seconds(2)) { lease in
            context.say("lease \(lease.id) lives \(lease.timeToLive) after each renewal")
            try await client.put(key, "here", lease: lease.id)
            try await Task.sleep(for: .seconds(3))
            let status = try await client.leases.timeToLive(of: lease.id, withKeys: true)
            context.say("after 3 s it lives on for \(status.remainingTimeToLive), with \(status.keys.count) key")
            try context.expect(status.keys == [key], "the key is attached to the lease")
        }
        let afterScope = try await client.get(key)
        context.say("after the scope the key is \(afterScope == nil ? "gone" : "still there")")
        try context.expect(afterScope == nil, "the key is gone with its lease")

        // Without renewals, as after a crash, the lease runs out by itself.
        let lease = try await client.leases.grant(timeToLive: .seconds(1))
        try await client.withWatch(.key(key)) { events in
            try await client.put(key, "soon gone", lease: lease.id)
            context.say("put the key again, and renew its lease once only")
            let renewal = try await client.leases.keepAliveOnce(lease.id)
            context.say("renewed for \(renewal.timeToLive); now waiting")
            for try await event in events where event.kind == .delete {
                context.say("the key was deleted in revision \(event.revision), when its lease had run out")
                break
            }
        }
        do {
            _ = try await client.leases.timeToLive(of: lease.id)
            try context.expect(false, "the lease is gone")
        } catch EtcdError.Code.leaseNotFound {
            context.say("and etcd no longer knows the lease")
        }
    }
}
