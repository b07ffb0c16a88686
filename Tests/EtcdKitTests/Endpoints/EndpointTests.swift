// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("Endpoint", .unit, .timeLimit(.minutes(1)))
struct EndpointTests {
    @Test(
        "good forms",
        arguments: [
            ("10.0.0.1:2379", "10.0.0.1", 2379), ("etcd-0.etcd.svc", "etcd-0.etcd.svc", 2379),
            ("localhost:1", "localhost", 1),
            ("h:65535", "h", 65535), ("http://h:2380", "h", 2380), ("HTTP://h:2380/", "h", 2380), ("h/", "h", 2379),
            ("https://h:2380", "h", 2380), ("https://h", "h", 2379), ("HTTPS://[::1]/", "::1", 2379),
            ("[::1]:2379", "::1", 2379), ("[fe80::1%eth0]", "fe80::1%eth0", 2379), ("http://[::1]:80/", "::1", 80),
        ] as [(String, String, UInt16)]
    )
    func goodForms(text: String, host: String, port: UInt16) throws {
        let endpoint = try Endpoint(text)
        #expect(endpoint.host == host)
        #expect(endpoint.port == port)
        // It can read the text that it writes.
        let copy = try Endpoint(endpoint.description)
        #expect(copy.host == host && copy.port == port && copy.description == endpoint.description)
    }

    @Test(
        "refusals with their reasons",
        arguments: [
            ("", "no host"), ("/", "no host"), (":2379", "no host"), ("http://", "no host"), ("http://:1", "no host"),
            ("https://", "no host"), ("https://:1", "no host"), ("https://h:1/path", "does not belong here"),
            ("ftp://h:1", "unknown scheme \"ftp\""), ("://h", "unknown scheme \"\""),
            ("unix://", "no path of a socket"), ("unixs://", "no path of a socket"),
            ("unix://a\0b", "does not belong here"),
            ("unix:///" + String(repeating: "x", count: 200), "too long for a unix socket"),
            ("h:", "\"\" is not a port"), ("h:0", "\"0\" is not a port"), ("h:65536", "\"65536\" is not a port"),
            ("h:-1", "\"-1\" is not a port"), ("h:http", "\"http\" is not a port"), ("h:٣", "is not a port"),
            ("::1", "an IPv6 address stands in brackets"), ("::1:2379", "an IPv6 address stands in brackets"),
            ("[::1", "\"[\" without \"]\""), ("[::1]2379", "expected \":\""), ("[::1]x:2379", "expected \":\""),
            ("[]:2379", "IPv6"), ("[h]:2379", "only an IPv6 address stands in brackets"), ("[::1]:", "is not a port"),
            ("h:1/path", "does not belong here"), ("h?x", "does not belong here"), ("h#x", "does not belong here"),
            ("user@h:1", "does not belong here"), (" h:1", "does not belong here"), ("h :1", "does not belong here"),
            ("h\n:1", "does not belong here"), ("h\0", "does not belong here"), ("\"h\"", "does not belong here"),
            ("h\r\n:1", "does not belong here"), ("h//", "does not belong here"),
        ]
    )
    func refusals(text: String, reason: String) {
        let error = #expect(throws: EtcdError.self) { try Endpoint(text) }
        #expect(error?.code == .invalidEndpoint)
        #expect(error?.message.contains(reason) == true, "\(String(describing: error))")
        #expect(error?.message.hasPrefix("\"\(text)\"") == true)
    }

    @Test(
        "unix sockets",
        arguments: [
            ("unix:///run/etcd.sock", "/run/etcd.sock", false), ("unixs:///a b/é?#", "/a b/é?#", true),
            ("unix://localhost:12345", "localhost:12345", false), ("UNIX://a/", "a/", false),
        ]
    )
    func unixSockets(text: String, path: String, isSecure: Bool) throws {
        let endpoint = try Endpoint(text)
        #expect(endpoint.socketPath == path)
        #expect(endpoint.host == "localhost" && endpoint.port == 0 && endpoint.authority == "localhost")
        #expect(endpoint.scheme?.isSecure == isSecure)
        #expect(try Endpoint(endpoint.description) == endpoint)
    }

    @Test(
        "an endpoint knows whether it is secure, or leaves it to the configuration; only needed schemes are written",
        arguments: [
            ("h:1", nil, "h:1"), ("http://h:1", false, "h:1"), ("https://h:1", true, "https://h:1"),
            ("https://[::1]", true, "https://[::1]:2379"), ("unix://s", false, "unix://s"),
            ("unixs:///s", true, "unixs:///s"),
        ] as [(String, Bool?, String)]
    )
    func schemes(text: String, isSecure: Bool?, description: String) throws {
        let endpoint = try Endpoint(text)
        #expect(endpoint.description == description)
        let plain = TLSContextSource(nil)
        let secure = TLSContextSource(TLSConfiguration())
        #expect(plain.secures(endpoint) == isSecure ?? false)
        #expect(secure.secures(endpoint) == isSecure ?? true)
    }

    @Test("a port has digits only")
    func signedPort() {
        #expect(throws: EtcdError.self) { try Endpoint("h:+80") }
    }

    @Test("lists")
    func lists() throws {
        let three = try Endpoint.list("a:1,http://b:2,[::1]")
        #expect(three.map(\.description) == ["a:1", "b:2", "[::1]:2379"])
        #expect(try Endpoint.list("a").count == 1)
        for text in ["", ",", "a,", ",a", "a,,b", "a, b"] {
            let error = #expect(throws: EtcdError.self) { try Endpoint.list(text) }
            #expect(error?.code == .invalidEndpoint)
            // A list with a gap is quoted as a whole, since the gap itself is empty.
            let quoted = text == "a, b" ? " b" : text
            #expect(error?.message.contains("\"\(quoted)\"") == true, "\(String(describing: error))")
        }
    }

    @Test("random texts are endpoints or refused, and accepted ones can be written and read", arguments: 0..<8)
    func fuzz(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let pieces = [
            "http", "s", "unix", ":", "/", "//", "://", "[", "]", "::1", "h", "10.0.0.1", "2379", "99999", "%", "@",
            ",", " ",
            "\0", "\r\n", "é", "e\u{301}", "\u{301}", "🇩🇪", "-", "+", ".",
        ]
        var accepted = 0
        for _ in 0..<3000 {
            let count = Int.random(in: 0..<7, using: &random)
            let text = (0..<count).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            do {
                let endpoint = try Endpoint(text)
                let copy = try Endpoint(endpoint.description)
                #expect(copy.description == endpoint.description, "\(text.debugDescription)")
                #expect(copy.host == endpoint.host && copy.port == endpoint.port)
                accepted += 1
            } catch {
                #expect(error.code == .invalidEndpoint)
            }
            _ = try? Endpoint.list(text)
        }
        #expect(accepted > 0)
    }
}
