// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import EtcdHTTPClient
import EtcdPatterns

func http(registry: ServiceRegistry) async throws {
    let balancer = try await registry.loadBalancer(for: "orders")
    let http = HTTPClient(configuration: .forLoadBalancer)
    let response = try await balancer.execute(HTTPClientRequest(url: "http://orders/items?limit=5"), with: http)
    let body = try await response.body.collect(upTo: 1 << 20)
    _ = body
    try await http.shutdown()
}
