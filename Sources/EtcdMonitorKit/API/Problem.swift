// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Why a request has no other answer, as [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) writes it.
struct Problem: Error, Encodable {
    /// A kind of problem.
    enum Kind: String, CaseIterable {
        case unknownParameter = "unknown-parameter"
        case missingParameter = "missing-parameter"
        case invalidParameter = "invalid-parameter"
        case unauthorized
        case forbidden
        case notFound = "not-found"
        case unknownCluster = "unknown-cluster"
        case unknownMetric = "unknown-metric"
        case methodNotAllowed = "method-not-allowed"
        case internalError = "internal-error"

        var status: Int {
            switch self {
            case .unknownParameter, .missingParameter, .invalidParameter: 400
            case .unauthorized: 401
            case .forbidden: 403
            case .notFound, .unknownCluster, .unknownMetric: 404
            case .methodNotAllowed: 405
            case .internalError: 500
            }
        }

        var title: String {
            switch self {
            case .unknownParameter: "There is no such parameter"
            case .missingParameter: "A parameter is missing"
            case .invalidParameter: "A parameter has a wrong value"
            case .unauthorized: "A token is needed"
            case .forbidden: "The token is not enough"
            case .notFound: "There is no such path"
            case .unknownCluster: "There is no such cluster"
            case .unknownMetric: "There is no such metric"
            case .methodNotAllowed: "The path does not take this method"
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
        problem.instance = path.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed)
        var headers = headers
        headers["Content-Type"] = "application/problem+json"
        return HTTPResponse(status, headers: headers, .bytes((try? JSONBody.bytes(of: problem)) ?? []))
    }
}
