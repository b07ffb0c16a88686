// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Why a request has no other answer, as [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) writes it.
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
            case .unknownParameter: "There is no such parameter"
            case .missingParameter: "A parameter is missing"
            case .invalidParameter: "A parameter has a wrong value"
            case .invalidBody: "The body is not what it should be"
            case .unauthorized: "A token is needed"
            case .forbidden: "The token is not enough"
            case .noAdminToken: "The API has no token for this"
            case .notFound: "There is no such path"
            case .unknownCluster: "There is no such cluster"
            case .unknownMetric: "There is no such metric"
            case .unknownSilence: "There is no such silence"
            case .unknownBenchmark: "There is no such benchmark"
            case .benchmarkNotAllowed: "Benchmarks are not allowed"
            case .benchmarkRuns: "Another benchmark runs"
            case .monitorNotRunning: "The monitor does not run"
            case .alertsNotSetUp: "Alerts are not set up"
            case .methodNotAllowed: "The path does not take this method"
            case .bodyTooLarge: "The body is too large"
            case .wrongMediaType: "The body has a wrong type"
            case .internalError: "The answer could not be made"
            }
        }
    }

    let type: String
    let title: String
    let status: Int
    let detail: String
    var instance: String?
    /// Fields that the answer has besides those of every answer.
    let headers: HTTPHeaders

    init(_ kind: Kind, _ detail: String, headers: HTTPHeaders = [:]) {
        type = "urn:etcd-monitor:problem:\(kind.rawValue)"
        title = kind.title
        status = kind.status
        self.detail = detail
        self.headers = headers
    }

    private enum CodingKeys: CodingKey { case type, title, status, detail, instance }

    /// The answer to a request to a path.
    func response(to path: String) -> HTTPResponse {
        var problem = self
        problem.instance = Self.escaped(path)
        var headers = headers
        headers["Content-Type"] = "application/problem+json"
        return HTTPResponse(status, headers: headers, .bytes((try? JSONBody.bytes(of: problem)) ?? []))
    }

    /// A decoded path as it stands in a URL, without control characters.
    static func escaped(_ path: String) -> String {
        path.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed) ?? ""
    }
}
