// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

extension Example {
    static let discovery = Example(
        name: "discovery",
        summary: "instances of a service register, are discovered, and leave without a surprise"
    ) { context in
        let registry = try ServiceRegistry(context.client, prefix: context.prefix + "services")
        var instance = ServiceInstance(service: "api-server", id: "api-1", address: "192.168.1.100", port: 8080)
        instance.metadata = ["version": "1.0.0", "region": "us-east-1"]
        let first = try await registry.register(instance)

        try await registry.withDiscovery(of: "api-server") { discovery in
            for known in discovery.instances { context.say("there is \(known.id) at \(known.endpoint)") }
            var events = discovery.events.makeAsyncIterator()
            var seen: [String] = []
            func next() async throws {
                let line: String
                switch try await events.next() {
                case .added(let instance)?: line = "added \(instance.id)"
                case .updated(let instance, _)?: line = "updated \(instance.id), which is \(instance.status)"
                case .removed(let instance, let how)?: line = "removed \(instance.id), which has \(how)"
                default: line = "something else"
                }
                context.say(line)
                seen.append(line)
            }

            // Whoever comes is seen, and so is what becomes of them.
            let second = try await registry.register(
                ServiceInstance(service: "api-server", id: "api-2", address: "192.168.1.101", port: 8080)
            )
            try await next()
            try await next()

            // Somebody deletes the entry of an instance that is well: it registers again.
            try await context.client.delete(context.prefix + "services/api-server/api-1")
            try await next()
            try await next()

            // A graceful exit: others hear of it before the instance is gone.
            try await second.drain(propagation: .milliseconds(300)) { context.say("api-2 has answered all requests") }
            while seen.last?.hasPrefix("removed api-2") != true { try await next() }

            let expected = [
                "added api-1", "added api-2", "removed api-1, which has expired", "added api-1",
                "updated api-2, which is draining", "removed api-2, which has deregistered",
            ]
            try context.expect(seen == expected, "the changes in their order: \(seen)")
        }
        await first.deregister()
        let left = try await registry.discover("api-server").instances
        try context.expect(left.isEmpty, "nobody is left")
    }
}
