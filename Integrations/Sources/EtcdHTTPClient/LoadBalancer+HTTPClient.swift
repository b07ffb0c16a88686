// SPDX-License-Identifier: Apache-2.0

public import AsyncHTTPClient
public import EtcdPatterns
public import Logging
public import NIOCore
import NIOHTTP1

extension LoadBalancer {
    /// Sends a request to an instance of the service, and to another one if that fails and the balancer's budget allows it.
    ///
    /// ```swift
    /// let http = HTTPClient(configuration: .forLoadBalancer)
    /// let response = try await balancer.execute(HTTPClientRequest(url: "http://orders/items?limit=5"), with: http)
    /// ```
    ///
    /// The host and the port of the URL are replaced by those of the instance; the header `Host` keeps the URL's. An
    /// instance fails a request when it cannot be reached, breaks the connection or answers with a status from 500 on.
    /// The balancer learns from that (``LoadBalancerOptions/isFailure`` is called with the ``HTTPFailure``).
    ///
    /// - Parameters:
    ///   - request: The request. Its URL has the scheme `http` or `https`.
    ///   - client: Sends it; one with the configuration `forLoadBalancer` does not wait for an instance that is down.
    ///   - key: The key by which `BalancingPolicy.consistentHash` chooses.
    ///   - timeout: How long each attempt may take, until the head of the response has come.
    ///   - logger: Where the client logs.
    ///   - isRetryable: Whether a request with this failure may be sent again; see ``HTTPFailure/isRetryable``.
    /// - Returns: The response, the last one with a status from 500 on if there were several. Its body is not read yet.
    /// - Throws: The error of the last attempt; `NoInstanceAvailable`; `HTTPClientError.invalidURL`.
    public func execute(
        _ request: HTTPClientRequest,
        with client: HTTPClient,
        for key: String? = nil,
        timeout: TimeAmount = .seconds(30),
        logger: Logger? = nil,
        retryIf isRetryable: (HTTPFailure) -> Bool = { $0.isRetryable }
    ) async throws -> HTTPClientResponse {
        let (request, url) = try request.withHost()
        do {
            return try await withInstance(
                for: key,
                retryIf: { ($0 as? HTTPFailure).map(isRetryable) ?? false }
            ) { instance in
                try await Self.send(try request.addressed(to: instance, url), client, timeout, logger)
            }
        } catch let failure as HTTPFailure {
            return try failure.result.get()
        }
    }

    private static func send(
        _ request: HTTPClientRequest,
        _ client: HTTPClient,
        _ timeout: TimeAmount,
        _ logger: Logger?
    ) async throws -> HTTPClientResponse {
        let response: HTTPClientResponse
        do {
            response = try await client.execute(request, timeout: timeout, logger: logger)
        } catch {
            // A cancelled task is no failure of the instance.
            if Task.isCancelled { throw error }
            throw HTTPFailure(request: request, result: .failure(error))
        }
        if response.status.code < 500 { return response }
        throw HTTPFailure(request: request, result: .success(response))
    }
}

extension HTTPClient.Configuration {
    /// The configuration of a client for ``LoadBalancer/execute(_:with:for:timeout:logger:retryIf:)``.
    ///
    /// A connection that cannot be made in two seconds is not tried again: the request goes to another instance.
    public static var forLoadBalancer: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.timeout.connect = .seconds(2)
        configuration.connectionPool.retryConnectionEstablishment = false
        return configuration
    }
}

/// An attempt to send a request has failed: an error, or a response with a status from 500 on.
public struct HTTPFailure: Error, Sendable, CustomStringConvertible {
    /// The request as it was sent to the instance.
    public let request: HTTPClientRequest
    /// The response, or the error if there is none.
    public let result: Result<HTTPClientResponse, any Error>

    /// Whether the request may be sent again, according to the semantics of HTTP.
    ///
    /// It may if there was no connection on which to send it, or if it has no body, its method is idempotent, and there
    /// was no response or one with the status 502, 503 or 504.
    public var isRetryable: Bool {
        if case .failure(let error) = result, error.isFailureToConnect { return true }
        let methods: [HTTPMethod] = [.GET, .HEAD, .OPTIONS, .TRACE, .PUT, .DELETE]
        guard request.body == nil, methods.contains(request.method) else { return false }
        return switch result {
        case .success(let response): [502, 503, 504].contains(response.status.code)
        case .failure: true
        }
    }

    /// The request and the error or the status in one line.
    public var description: String {
        let outcome =
            switch result {
            case .success(let response): "\(response.status)"
            case .failure(let error): "\(error)"
            }
        return "\(request.method) \(request.url): \(outcome)"
    }
}
