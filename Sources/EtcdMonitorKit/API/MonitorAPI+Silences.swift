// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

extension MonitorAPI {
    func silenceList(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        let center = try center()
        let state = try Parameters.choice("state", among: Silence.State.allCases, of: request)
        let now = Date()
        let silences = center.silences.filter { $0.state(at: now) == state ?? $0.state(at: now) }
        return try JSONBody.response(["silences": silences.map { Self.object($0, at: now) }] as JSONBody.Object)
    }

    func addSilence(_ request: HTTPRequest) async throws(Problem) -> HTTPResponse {
        let center = try center()
        let now = Date()
        let actor = actor(of: request)
        let silence = try JSONBody.read(SilenceRequest.self, of: request).silence(by: actor, at: now)
        do throws(EtcdError) {
            try await center.add(silence, by: actor)
        } catch {
            throw Problem(.invalidBody, error.message)
        }
        return try JSONBody.response(Self.object(silence, at: now), status: 201)
    }

    func endSilence(_ request: HTTPRequest) async throws(Problem) -> HTTPResponse {
        let center = try center()
        do throws(EtcdError) {
            try await center.endSilence(Route.parameter(of: request.path), by: actor(of: request))
        } catch {
            throw Problem(.unknownSilence, error.message)
        }
        return HTTPResponse(204)
    }

    /// The author of a change.
    ///
    /// The token has been checked before.
    func actor(of request: HTTPRequest) -> String { token(of: request)?.name ?? "" }

    private static func object(_ silence: Silence, at time: Date) -> JSONBody.Object {
        [
            "id": silence.id, "state": silence.state(at: time), "matchers": silence.matchers,
            "startsAt": silence.startsAt, "endsAt": silence.endsAt, "createdBy": silence.createdBy,
            "comment": silence.comment,
        ]
    }
}
