// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("Client configuration", .timeLimit(.minutes(1)))
struct ConfigurationTests {
    private func error(
        _ change: (inout EtcdClient.Configuration) -> Void
    ) throws -> EtcdError? {
        var configuration = try EtcdClient.Configuration(endpoints: "127.0.0.1:1")
        change(&configuration)
        return #expect(throws: EtcdError.self) { try EtcdClient(configuration) }
    }

    @Test("the defaults are accepted")
    func defaults() throws {
        let client = try EtcdClient(endpoints: "a:1,b:2")
        #expect(client.configuration.endpoints.map(\.description) == ["a:1", "b:2"])
    }

    @Test("a client needs an endpoint")
    func noEndpoint() throws {
        #expect(try error { $0.endpoints = [] }?.code == .invalidEndpoint)
        #expect(throws: EtcdError.self) { try EtcdClient(endpoints: "") }
    }

    @Test(
        "times must be longer than zero, and the refusal names the setting",
        arguments: [.zero, .seconds(-1)] as [Duration]
    )
    func times(duration: Duration) throws {
        let settings: [(String, WritableKeyPath<EtcdClient.Configuration, Duration>)] = [
            ("connectTimeout", \.connectTimeout), ("callTimeout", \.callTimeout), ("pingInterval", \.pingInterval),
            ("pingTimeout", \.pingTimeout), ("backoff.initial", \.backoff.initial),
            ("backoff.maximum", \.backoff.maximum),
        ]
        for (name, path) in settings {
            let error = try error { $0[keyPath: path] = duration }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.hasPrefix(name) == true, "\(String(describing: error))")
        }
    }

    @Test("maximumMessageSize must be positive", arguments: [0, -1])
    func messageSize(size: Int) throws {
        let error = try error { $0.maximumMessageSize = size }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("maximumMessageSize") == true)
    }
}
