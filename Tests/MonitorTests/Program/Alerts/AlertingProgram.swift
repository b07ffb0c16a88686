// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

@testable import EtcdMonitorKit

/// The parts that tests of the program's alerts share.
enum AlertingProgram {
    /// A configuration whose one alert, `EtcdManyKeys`, fires when there are more than ten keys.
    static func configuration(
        _ endpoints: [String],
        hook: String,
        stateFile: String? = nil,
        holdsFor hold: String = "0s"
    ) -> String {
        let state = stateFile.map { #""stateFile": "\#($0)","# } ?? ""
        return """
            {"endpoints": "\(endpoints.joined(separator: ","))", "apiPort": 0, "healthCheckInterval": "200ms",
             "alerts": {
               \(state) "interval": "100ms", "groupWait": "0s", "groupInterval": "0s", "restartGrace": "5s",
               "channels": {"hook": {"type": "webhook", "url": "\(hook)"}},
               "routes": [{"rules": ["EtcdManyKeys"], "channels": ["hook"]}],
               "rules": [{"name": "EtcdManyKeys", "figure": "keys", "above": 10, "holdsFor": "\(hold)"}]
             }}
            """
    }

    /// Puts so many keys, and deletes others.
    static func setKeys(_ count: Int, _ client: EtcdClient) async throws {
        try await client.delete(.prefix("key/"))
        for number in 0..<count { try await client.put(Key("key/\(number)"), "x") }
    }
}

extension RunningProgram {
    /// Waits until it serves, and returns its port.
    func port() async throws -> String { try await printed(/Serving at http:\/\/127\.0\.0\.1:(\d+)\/\n/) }

    /// The answer of the API at a port.
    static func get(_ path: String, at port: String, token: String? = nil) async throws -> (status: Int, text: String) {
        var headers = HTTPHeaders()
        if let token { headers["Authorization"] = "Bearer \(token)" }
        let exchange = try await HTTPClient(tls: nil).get(
            path,
            headers: headers,
            at: Endpoint("127.0.0.1:\(port)"),
            timeout: .seconds(10),
            maximumBody: 1 << 22
        )
        return (exchange.response.status, String(decoding: exchange.body, as: UTF8.self))
    }
}

extension RecordingReceiver {
    /// The alerts that were posted to a webhook so far, with their states, such as `EtcdManyKeys firing`.
    var alerts: [String] {
        struct Payload: Decodable {
            struct Alert: Decodable {
                let status: String
                let labels: [String: String]
            }
            let alerts: [Alert]
        }
        let payloads = requests.compactMap { try? JSONDecoder().decode(Payload.self, from: Data($0.body)) }
        return payloads.flatMap(\.alerts).map { "\($0.labels["alertname"] ?? "") \($0.status)" }
    }
}

extension HTTPRequest {
    var bodyText: String { String(decoding: body, as: UTF8.self) }

    /// All that the request has.
    var allText: String {
        let fields = headers.fields.map { "\($0.name): \($0.value)" }
        let parameters = query.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return (["\(method) \(path) \(parameters)"] + fields + [bodyText]).joined(separator: "\n")
    }
}

/// Runs `body` with the address of a server that reads, and never answers.
func withSilence(_ body: (Endpoint) async throws -> Void) async throws {
    try await withScript({ wire in
        while try await !wire.stream.read(deadline: .after(.seconds(60))).isEmpty {}
    }) { try await body($0) }
}
