// SPDX-License-Identifier: Apache-2.0

import Foundation

/// An error response, in the format of [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457).
struct Problem: Error, Encodable {
    /// A kind of problem.
    enum Kind: String, CaseIterable {
        case unknownParameter = "unknown-parameter"
        case missingParameter = "missing-parameter"
        case invalidParameter = "invalid-parameter"
        case invalidBody = "invalid-body"
        case unauthorized
        case forbidden
        case noAdminToken = "no-admin-token"
        case notFound = "not-found"
        case unknownCluster = "unknown-cluster"
        case unknownMetric = "unknown-metric"
        case unknownSilence = "unknown-silence"
        case unknownBenchmark = "unknown-benchmark"
        case benchmarkNotAllowed = "benchmark-not-allowed"
        case benchmarkRuns = "benchmark-runs"
        case monitorNotRunning = "monitor-not-running"
        case alertsNotSetUp = "alerts-not-set-up"
        case methodNotAllowed = "method-not-allowed"
        case bodyTooLarge = "body-too-large"
        case wrongMediaType = "wrong-media-type"
        case internalError = "internal-error"

        var status: Int {
            switch self {
            case .unknownParameter, .missingParameter, .invalidParameter, .invalidBody: 400
            case .unauthorized: 401
            case .forbidden, .noAdminToken, .benchmarkNotAllowed: 403
            case .notFound, .unknownCluster, .unknownMetric, .unknownSilence, .unknownBenchmark, .alertsNotSetUp: 404
            case .methodNotAllowed: 405
            case .benchmarkRuns: 409
            case .bodyTooLarge: 413
            case .wrongMediaType: 415
            case .internalError: 500
            case .monitorNotRunning: 503
            }
        }

        var title: String {
            switch self {
            case .unknownParameter: "Unknown parameter"
            case .missingParameter: "Missing parameter"
            case .invalidParameter: "Invalid parameter"
            case .invalidBody: "Invalid body"
            case .unauthorized: "A token is needed"
            case .forbidden: "The token lacks the right"
            case .noAdminToken: "No admin token is configured"
            case .notFound: "Unknown path"
            case .unknownCluster: "Unknown cluster"
            case .unknownMetric: "Unknown metric"
            case .unknownSilence: "Unknown silence"
            case .unknownBenchmark: "Unknown benchmark"
            case .benchmarkNotAllowed: "Benchmarks are not allowed"
            case .benchmarkRuns: "Another benchmark is running"
            case .monitorNotRunning: "The monitor is not running"
            case .alertsNotSetUp: "Alerts are not set up"
            case .methodNotAllowed: "The path does not allow this method"
            case .bodyTooLarge: "The body is too large"
            case .wrongMediaType: "The body has the wrong media type"
            case .internalError: "The answer could not be built"
            }
        }
    }

    let type: String
    let title: String
    let status: Int
    let detail: String
    var instance: String?
    /// Additional header fields of the response.
    let headers: HTTPHeaders

    init(_ kind: Kind, _ detail: String, headers: HTTPHeaders = [:]) {
        type = "urn:etcd-monitor:problem:\(kind.rawValue)"
        title = kind.title
        status = kind.status
        self.detail = detail
        self.headers = headers
    }

    private enum CodingKeys: CodingKey { case type, title, status, detail, instance }

    /// The response to a request for a path.
    func response(to path: String) -> HTTPResponse {
        var problem = self
        problem.instance = Self.escaped(path)
        var headers = headers
        headers["Content-Type"] = "application/problem+json"
        return HTTPResponse(status, headers: headers, .bytes((try? JSONBody.bytes(of: problem)) ?? []))
    }

    /// A decoded path in the form of a URL, without control characters.
    static func escaped(_ path: String) -> String {
        path.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed) ?? ""
    }
}
