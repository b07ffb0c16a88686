// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import EtcdHTTPClient
import EtcdPatterns
import Hummingbird
import NIOCore
import NIOHTTP1
import Testing

@Suite("EtcdHTTPClient", .timeLimit(.minutes(2)))
struct HTTPClientTests {
    private func withClient(_ body: (HTTPClient) async throws -> Void) async throws {
        let client = HTTPClient(configuration: .forLoadBalancer)
        do {
            try await body(client)
        } catch {
            try await client.shutdown()
            throw error
        }
        try await client.shutdown()
    }

    /// A balancer over instances at these ports of this machine.
    private func balancer(_ ports: [String: Int], _ options: LoadBalancerOptions = LoadBalancerOptions())
        -> LoadBalancer
    {
        let balancer = LoadBalancer("api", options: options)
        let instances = ports.map { ServiceInstance(service: "api", id: $0.key, address: "127.0.0.1", port: $0.value) }
        balancer.update(instances.sorted { $0.id < $1.id })
        return balancer
    }

    private func statistics(_ balancer: LoadBalancer, _ id: String) throws -> LoadBalancerStatistics.Instance {
        try #require(balancer.statistics.instances.first { $0.id == id })
    }

    private func router(_ name: String) -> Router<BasicRequestContext> {
        let router = Router()
        router.get("items") { request, _ in
            "\(name) \(request.uri.queryParameters["limit"] ?? "") \(request.head.authority ?? "")"
        }
        return router
    }

    @Test("LoadBalancer.execute sends requests to the instances in turns, with path, query and host")
    func turns() async throws {
        try await withClient { client in
            try await withServer(router("a")) { a in
                try await withServer(router("b")) { b in
                    let balancer = balancer(["a": a, "b": b])
                    var answers: Set<String> = []
                    for _ in 0..<2 {
                        let request = HTTPClientRequest(url: "http://api/items?limit=5")
                        let response = try await balancer.execute(request, with: client)
                        answers.insert(String(buffer: try await response.body.collect(upTo: 1 << 20)))
                    }
                    #expect(answers == ["a 5 api", "b 5 api"])
                    #expect(try statistics(balancer, "a").successes == 1)
                    #expect(try statistics(balancer, "b").successes == 1)
                }
            }
        }
    }

    @Test("LoadBalancer.execute goes to another instance when one cannot be reached, with a body too")
    func unreachable() async throws {
        try await withClient { client in
            let router = Router()
            router.post("items") { request, _ in Response(status: .ok, body: ResponseBody(asyncSequence: request.body))
            }
            try await withServer(router) { port in
                // Nothing listens on port 1.
                let balancer = balancer(["a": 1, "b": port])
                for number in 0..<4 {
                    var request = HTTPClientRequest(url: "http://api/items")
                    request.method = .POST
                    request.body = .bytes(ByteBuffer(string: "order \(number)"))
                    let response = try await balancer.execute(request, with: client, timeout: .seconds(10))
                    #expect(String(buffer: try await response.body.collect(upTo: 1 << 20)) == "order \(number)")
                }
                #expect(try statistics(balancer, "a").failures >= 1)
                #expect(try statistics(balancer, "b").successes == 4)
                #expect(balancer.statistics.retries >= 1)
            }
        }
    }

    @Test("LoadBalancer.execute tries a GET again after 503, but not a POST, and returns the response in the end")
    func retries() async throws {
        try await withClient { client in
            let failing = Router()
            failing.get("items") { _, _ in HTTPResponse.Status.serviceUnavailable }
            failing.post("items") { _, _ in HTTPResponse.Status.serviceUnavailable }
            try await withServer(failing) { a in
                try await withServer(router("b")) { b in
                    let both = balancer(["a": a, "b": b])
                    for _ in 0..<2 {
                        let response = try await both.execute(HTTPClientRequest(url: "http://api/items"), with: client)
                        #expect(response.status == .ok)
                    }
                    #expect(both.statistics.retries >= 1)

                    let one = balancer(["a": a])
                    var request = HTTPClientRequest(url: "http://api/items")
                    request.method = .POST
                    let response = try await one.execute(request, with: client)
                    #expect(response.status == .serviceUnavailable)
                    #expect(one.statistics.retries == 0)
                    #expect(try statistics(one, "a").failures == 1)
                }
            }
        }
    }

    @Test("LoadBalancer.execute throws the error of the connection, and NoInstanceAvailable")
    func errors() async throws {
        try await withClient { client in
            let request = HTTPClientRequest(url: "http://api/items")
            await #expect(throws: NoInstanceAvailable.self) {
                try await balancer([:]).execute(request, with: client)
            }
            let error = await #expect(throws: (any Error).self) {
                try await balancer(["a": 1]).execute(request, with: client)
            }
            #expect(!(error is HTTPFailure), "\(String(describing: error))")
            await #expect(throws: HTTPClientError.invalidURL) {
                try await balancer(["a": 1]).execute(HTTPClientRequest(url: "/items"), with: client)
            }
        }
    }
}
