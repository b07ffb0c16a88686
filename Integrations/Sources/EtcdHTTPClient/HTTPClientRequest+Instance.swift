// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import EtcdPatterns
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

extension HTTPClientRequest {
    /// The same request with the header `Host`, and the parts of its URL.
    func withHost() throws -> (request: HTTPClientRequest, url: URLComponents) {
        guard let url = URLComponents(string: self.url), let host = url.host, !host.isEmpty else {
            throw HTTPClientError.invalidURL
        }
        var request = self
        if !headers.contains(name: "Host") {
            request.headers.add(name: "Host", value: url.port.map { "\(host):\($0)" } ?? host)
        }
        return (request, url)
    }

    /// The same request to an instance.
    func addressed(to instance: ServiceInstance, _ url: URLComponents) throws -> HTTPClientRequest {
        var (request, url) = (self, url)
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
        if let code = (self as? IOError)?.errnoCode { return [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH].contains(code) }
        return (self as? HTTPClientError) == .connectTimeout
    }
}
