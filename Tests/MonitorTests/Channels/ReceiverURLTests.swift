// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdMonitorKit

@Suite("URLs of receivers", .unit) struct ReceiverURLTests {
    struct Case: Sendable {
        let text: String
        let origin: String
        let target: String
        var authorization: String?
        var added = ""
    }

    @Test(
        "are parsed",
        arguments: [
            Case(
                text: "https://hooks.slack.com/services/T0/B0/x",
                origin: "https://hooks.slack.com",
                target: "/services/T0/B0/x"
            ),
            Case(text: "HTTP://a.example", origin: "http://a.example", target: "/"),
            Case(text: "http://a:8080/p?q=1&r=%20", origin: "http://a:8080", target: "/p?q=1&r=%20"),
            Case(text: "https://a:443?q", origin: "https://a", target: "/?q"),
            Case(text: "https://[::1]:9093/x#fragment", origin: "https://[::1]:9093", target: "/x"),
            Case(text: "http://[2001:db8::2]", origin: "http://[2001:db8::2]", target: "/"),
            Case(text: "https://u:p%40ss@a/", origin: "https://a", target: "/", authorization: "Basic dTpwQHNz"),
            Case(text: "https://token@a/", origin: "https://a", target: "/", authorization: "Basic dG9rZW46"),
            Case(
                text: "http://am/prefix/?a=b",
                origin: "http://am",
                target: "/prefix/api/v2/alerts?a=b",
                added: "/api/v2/alerts"
            ),
            Case(text: "http://am", origin: "http://am", target: "/api/v2/alerts", added: "/api/v2/alerts"),
        ]
    )
    func parts(of url: Case) throws {
        let parts = try ReceiverURL(url.text)
        #expect(parts.origin == url.origin)
        #expect(parts.target(adding: url.added) == url.target)
        #expect(parts.authorization == url.authorization)
    }

    @Test(
        "that are invalid are refused, and not repeated in the error",
        arguments: [
            "", "hunter2", "hooks.hunter2.com/x", "ftp://hunter2/", "https://", "https:///hunter2",
            "https://hunter2:0/",
            "https://hunter2:65536/", "https://hunter2:x/", "https://a b/hunter2", "https://a/\nhunter2",
            "https://[::1/hunter2",
            "https://[hunter2]/", "https://a%zz@b/hunter2", "https://%zz@b/hunter2", "https://ä/hunter2",
            "https://[::1]x/hunter2",
            "https://a:b:c/hunter2",
        ]
    )
    func refusals(of url: String) {
        let error = #expect(throws: AlertChannelError.self) { _ = try ReceiverURL(url) }
        #expect(error?.isPermanent == true)
        #expect(
            error?.message.contains("hunter2") == false && error?.message.hasPrefix("the URL is not valid: ") == true
        )
    }
}
