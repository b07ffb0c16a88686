// SPDX-License-Identifier: Apache-2.0

public import EtcdMonitorKit
import HTTPTypes
public import Hummingbird
import NIOCore
import ServiceLifecycle

/// Answers requests below a path with the monitor's page and API, and passes all others on.
///
/// ```swift
/// router.add(middleware: MonitorMiddleware(MonitorAPI([monitor]), at: "/monitor"))
/// ```
public struct MonitorMiddleware<Context: RequestContext>: RouterMiddleware {
    private let api: MonitorAPI
    /// Begins with a slash and does not end with one; empty for the root.
    private let path: String

    /// Makes the middleware.
    ///
    /// - Parameters:
    ///   - api: The API of the monitors.
    ///   - path: The path below which it is mounted, such as `/monitor`; `/` for all paths of the server.
    public init(_ api: MonitorAPI, at path: String) {
        self.api = api
        self.path = path.split(separator: "/").map { "/\($0)" }.joined()
    }

    /// Answers a request, or passes it on.
    ///
    /// - Parameters:
    ///   - request: The request.
    ///   - context: The context of the request.
    ///   - next: Answers requests for other paths.
    /// - Returns: The answer.
    /// - Throws: The error of `next`; `HTTPError` for a request that is not valid, or whose body is too large.
    public func handle(
        _ request: Request,
        context: Context,
        next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        // The addresses in the page are relative, so the page itself has to end with a slash.
        if request.uri.path == path { return .redirect(to: "\(path)/", type: .permanent) }
        guard request.uri.path.hasPrefix("\(path)/") else { return try await next(request, context) }
        let response = Response(await api.respond(to: try await apiRequest(from: request)))
        return request.method == .head ? response.createHeadResponse() : response
    }

    /// The request for the API, with a path relative to the place where the API is mounted.
    private func apiRequest(from request: Request) async throws -> EtcdMonitorKit.HTTPRequest {
        let body = try await request.body.collect(upTo: HTTPLimits().body)
        var headers = HTTPHeaders()
        for field in request.headers { headers.add(field.name.rawName, field.value) }
        guard
            var apiRequest = EtcdMonitorKit.HTTPRequest(
                request.method.rawValue,
                target: request.uri.string,
                headers: headers,
                body: Array(buffer: body)
            )
        else { throw HTTPError(.badRequest) }
        apiRequest.path.removeFirst(path.count)
        return apiRequest
    }
}

extension Response {
    /// The API's answer as a response of Hummingbird.
    fileprivate init(_ answer: EtcdMonitorKit.HTTPResponse) {
        let body: ResponseBody
        switch answer.body {
        case .bytes(let bytes): body = ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        case .stream(let parts):
            // A stream of events has no end, and would keep the server from shutting down.
            let buffers = parts.map { ByteBuffer(bytes: $0) }.cancelOnGracefulShutdown()
            body = ResponseBody(asyncSequence: buffers)
        }
        self.init(status: .init(code: answer.status), body: body)
        for field in answer.headers.fields {
            if let name = HTTPField.Name(field.name) { headers.append(HTTPField(name: name, value: field.value)) }
        }
    }
}
