// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

extension Example {
    static let loadBalancer = Example(
        name: "lb",
        summary: "spreads requests over the instances of a service, and away from those that fail or leave"
    ) { context in
        struct Refused: Error {}
        let registry = try ServiceRegistry(context.client, prefix: "\(context.prefix)services")
        /// An instance; in life, it would be a process of its own.
        func register(_ id: String, weight: Int) async throws -> Registration {
            try await registry.register(
                ServiceInstance(service: "api-server", id: id, address: "192.168.1.100", port: 8080, weight: weight)
            )
        }
        let large = try await register("large", weight: 2)
        let small = try await register("small", weight: 1)
        let broken = try await register("broken", weight: 1)

        try await registry.withLoadBalancer(for: "api-server", policy: .weightedRoundRobin) { balancer in
            /// Sends requests, and says who got how many.
            func send(_ count: Int, failing: String? = nil) async throws -> [String: Int] {
                var served: [String: Int] = [:]
                for _ in 0..<count {
                    try await balancer.withInstance(retryIf: { $0 is Refused }) { instance in
                        served[instance.id, default: 0] += 1
                        if instance.id == failing { throw Refused() }
                    }
                }
                context.say(served.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
                return served
            }

            context.say("400 requests, by weight:")
            let fair = try await send(400)
            try context.expect(fair == ["large": 200, "small": 100, "broken": 100], "shares by weight")

            context.say("400 requests while one instance refuses all of them:")
            let unfair = try await send(400, failing: "broken")
            try context.expect((unfair["broken"] ?? 0) < 10, "it is ejected after five failures in a row")
            context.say("none of them failed: \(balancer.statistics.retries) were tried on another instance")

            context.say("the small one wants to leave:")
            try await small.update { $0.status = .draining }
            while balancer.statistics.instances.contains(where: { $0.id == "small" && $0.instance.status == .up }) {
                try await Task.sleep(for: .milliseconds(10))
            }
            let last = try await send(100)
            try context.expect(last == ["large": 100], "who drains or is ejected gets nothing")
        }
        for registration in [large, small, broken] { await registration.deregister() }
    }
}
