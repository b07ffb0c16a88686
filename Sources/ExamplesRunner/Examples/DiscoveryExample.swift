// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

extension Example {
    static let discovery = Example(
        name: "discovery",
        summary: "instances of a service register, are discovered, and leave without a surprise"
    ) { context in
        let registry = try ServiceRegistry(context.client, prefix: "\(context.prefix)services")
        let instance = ServiceInstance(
            service: "api-server",
            id: "api-1",
            address: "192.168.1.100",
            port: 8080,
            metadata: ["version": "1.0.0", "region": "us-east-1"]
        )
        let first = try await registry.register(instance)

        try await registry.withDiscovery(of: "api-server") { discovery in
            for known in discovery.instances { context.say("there is \(known.id) at \(known.endpoint)") }
            var events = discovery.events.makeAsyncIterator()
            func next() async throws -> ServiceEvent? {
                let event = try await events.next()
                switch event {
                case .added(let instance): context.say("added \(instance.id)")
                case .updated(let instance, _): context.say("updated \(instance.id), which is \(instance.status)")
                case .removed(let instance, let how): context.say("removed \(instance.id), which has \(how)")
                default: break
                }
                return event
            }

            // The present instances come first, and then each change.
            let second = try await registry.register(
                ServiceInstance(service: "api-server", id: "api-2", address: "192.168.1.101", port: 8080)
            )
            while try await next()?.instance.id != "api-2" {}

            // Somebody deletes the entry of an instance that is well: it registers again.
            let deletion = try await context.client.delete(context.prefix + "services/api-server/api-1")
            for await case .registered(let revision) in first.states where revision > deletion.header.revision {
                context.say("api-1 was deleted by hand, and is there again in revision \(revision)")
                break
            }

            // A graceful exit: others hear of it before the instance is gone.
            async let drained: Void = second.drain(propagation: .milliseconds(500)) {
                context.say("api-2 has answered its last request")
            }
            var departure: ServiceEvent.Departure?
            while departure == nil {
                if case .removed(let gone, let how) = try await next(), gone.id == "api-2" { departure = how }
            }
            try await drained
            try context.expect(departure == .deregistered, "how it has left is known")
            try context.expect(discovery.instances == [instance], "the other one is there")
        }
        await first.deregister()
        let left = try await registry.discover("api-server").instances
        try context.expect(left.isEmpty, "nobody is left")
    }
}
