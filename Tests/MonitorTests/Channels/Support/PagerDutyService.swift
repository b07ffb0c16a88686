// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

@testable import EtcdMonitorKit

/// PagerDuty's Events API v2 by its published rules, and the incidents that it makes of events.
final class PagerDutyService: Sendable {
    struct Incident: Sendable, Hashable {
        var summary: String
        var severity: String
        var isOpen = true
        /// How many events with its key triggered it.
        var triggers = 1
    }

    private struct State {
        var incidents: [String: Incident] = [:]
        var opened: [String] = []
        var complaints: [String] = []
    }

    private let routingKey: String
    private let state = Lock(State())

    init(routingKey: String) { self.routingKey = routingKey }

    /// The incidents by their keys.
    var incidents: [String: Incident] { state.withLock { $0.incidents } }
    /// The keys of the incidents that were opened, in their order; one that is opened again stands there again.
    var opened: [String] { state.withLock { $0.opened } }
    /// The rules that events broke, and the ends of unknown incidents.
    var complaints: [String] { state.withLock { $0.complaints } }

    var answer: RecordingReceiver.Answer { { self.respond(to: $0) } }

    private func respond(to request: HTTPRequest) -> HTTPResponse {
        if request.path != "/v2/enqueue" { return HTTPResponse(404, "not found") }
        let broken = violations(in: request)
        guard broken.isEmpty, let event = try? JSON(request.body), let key = event["dedup_key"].text else {
            state.withLock { $0.complaints += broken }
            let errors = broken.map { "\"\($0)\"" }.joined(separator: ",")
            return HTTPResponse(
                400,
                #"{"status":"invalid event","message":"Event object is invalid","errors":[\#(errors)]}"#
            )
        }
        state.withLock { state in
            let isOpen = state.incidents[key]?.isOpen == true
            if event["event_action"].text == "resolve" {
                if isOpen {
                    state.incidents[key]?.isOpen = false
                } else {
                    state.complaints.append("\(key) is not open")
                }
                return
            }
            let payload = event["payload"]
            var incident = Incident(summary: payload["summary"].text ?? "", severity: payload["severity"].text ?? "")
            incident.triggers += isOpen ? state.incidents[key]?.triggers ?? 0 : 0
            state.incidents[key] = incident
            if !isOpen { state.opened.append(key) }
        }
        return HTTPResponse(202, #"{"status":"success","message":"Event processed","dedup_key":"\#(key)"}"#)
    }

    /// The rules that an event breaks.
    private func violations(in request: HTTPRequest) -> [String] {
        var broken: [String] = []
        func rule(_ name: String, _ holds: Bool) { if !holds { broken.append(name) } }
        rule("the method is POST", request.method == "POST")
        rule("the type is JSON", request.headers["Content-Type"]?.hasPrefix("application/json") == true)
        rule("the body has at most 512 KB", request.body.count <= 512_000)
        guard let event = try? JSON(request.body) else { return broken + ["the body is JSON"] }
        let known: Set = [
            "routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url",
        ]
        rule("the keys are known", event.names.isSubset(of: known))
        rule("the routing key is right", event["routing_key"].text == routingKey)
        rule("the dedup key has 1 to 255 characters", (1...255).contains(event["dedup_key"].text?.utf16.count ?? 0))
        let action = event["event_action"].text ?? ""
        rule("the action is known", ["trigger", "acknowledge", "resolve"].contains(action))
        for link in event["links"].elements {
            rule("a link is one of the web", link["href"].text.flatMap { URL(string: $0) }?.host != nil)
        }
        if event.names.contains("client_url") {
            rule("the client's URL is one", event["client_url"].text.flatMap { URL(string: $0) }?.host != nil)
        }
        if action != "trigger" { return broken }
        let payload = event["payload"]
        let fields: Set = [
            "summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details",
        ]
        rule("the fields are known", payload.names.isSubset(of: fields))
        rule("the summary has 1 to 1024 characters", (1...1024).contains(payload["summary"].text?.count ?? 0))
        rule("there is a source", payload["source"].text?.isEmpty == false)
        rule("the severity is known", ["critical", "error", "warning", "info"].contains(payload["severity"].text))
        if payload.names.contains("timestamp") { rule("the timestamp is one", payload["timestamp"].date != nil) }
        if payload.names.contains("custom_details") {
            rule("the details are an object", payload["custom_details"].texts != nil)
        }
        return broken
    }
}
