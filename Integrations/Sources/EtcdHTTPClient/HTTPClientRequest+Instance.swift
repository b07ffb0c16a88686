// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import EtcdPatterns
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

extension HTTPClientRequest {
    /// The same request to an instance.
    func addressed(to instance: ServiceInstance) throws -> HTTPClientRequest {
        guard var url = URLComponents(string: self.url), let host = url.host, !host.isEmpty else {
            throw HTTPClientError.invalidURL
        }
        var request = self
        if !headers.contains(name: "Host") {
            request.headers.add(name: "Host", value: url.port.map { "\(host):\($0)" } ?? host)
        }
        url.host = instance.address.contains(":") ? "[\(instance.address)]" : instance.address
        url.port = instance.port
        guard let address = url.string else { throw HTTPClientError.invalidURL }
        request.url = address
        return request
    }
}

extension Error {
    /// There was no connection, so that nothing was sent.
    var isFailureToConnect: Bool {
        if self is NIOConnectionError { return true }
        return (self as? HTTPClientError) == .connectTimeout
    }
}
