// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("GRPCStatus", .unit, .timeLimit(.minutes(1)))
struct GRPCStatusTests {
    private func headers(_ fields: KeyValuePairs<String, String>) -> HTTP2Headers {
        var headers = HTTP2Headers()
        for (name, value) in fields { headers.append(name, value) }
        return headers
    }

    @Test(
        "messages are percent-decoded; invalid sequences stay as they are",
        arguments: [
            ("", ""), ("plain", "plain"), ("a%20b", "a b"), ("%25", "%"), ("%41%4a%4A", "AJJ"), ("gr%C3%BCn", "grün"),
            ("%", "%"), ("%4", "%4"), ("x%", "x%"), ("x%2", "x%2"), ("%zz", "%zz"), ("%4g%41", "%4gA"), ("%%41", "%A"),
            ("%2541", "%41"), ("grün", "grün"), ("%FF", "\u{FFFD}"), ("%C3", "\u{FFFD}"), ("%00", "\0"),
        ]
    )
    func percentDecoding(text: String, decoded: String) {
        #expect(GRPCStatus.percentDecoded(text) == decoded)
    }

    @Test("decoding reverses percent-encoding", arguments: 0..<10)
    func percentRoundTrips(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<200 {
            let scalars = (0..<20).compactMap { _ in Unicode.Scalar(UInt32.random(in: 0..<0x1_1000, using: &random)) }
            let text = String(String.UnicodeScalarView(scalars))
            let encoded = text.utf8.map { byte in
                let isPlain = (32...126).contains(byte) && byte != 37
                return isPlain ? String(Unicode.Scalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
            #expect(GRPCStatus.percentDecoded(encoded.joined()) == text)
        }
    }

    @Test("random text with percent signs never traps", arguments: 0..<10)
    func percentFuzz(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<500 {
            let text = String((0..<12).map { _ in "%%%0aF9gü\0".randomElement(using: &random) ?? "%" })
            #expect(GRPCStatus.percentDecoded(text).utf8.count <= 3 * text.utf8.count)
        }
    }

    @Test("the status stands in the trailers, or in the only header block")
    func fields() {
        let ordinary = headers([":status": "200", "content-type": "application/grpc"])
        let trailers = headers(["grpc-status": "5", "grpc-message": "etcdserver: key%20not found"])
        let status = GRPCStatus(headers: ordinary, trailers: trailers)
        #expect(status == GRPCStatus(.notFound, "etcdserver: key not found"))

        let alone = headers([":status": "200", "content-type": "application/grpc", "grpc-status": "14"])
        #expect(GRPCStatus(headers: alone, trailers: headers([:])) == GRPCStatus(.unavailable, ""))
        #expect(GRPCStatus(headers: ordinary, trailers: headers([:])) == nil)
        #expect(GRPCStatus(headers: headers([:]), trailers: headers([:])) == nil)
    }

    @Test("codes that gRPC does not have are unknown", arguments: ["17", "-1", "x", "", "99999999999999999999", "0x1"])
    func strangeCodes(text: String) {
        #expect(GRPCStatus(headers: headers(["grpc-status": text]), trailers: headers([:]))?.code == .unknown)
    }

    @Test(
        "an HTTP answer without gRPC is mapped to a status",
        arguments: [
            ("200", "text/html", .unknown, "text/html"), ("200", nil, .unknown, "not gRPC"),
            ("400", nil, .internal, "400"), ("401", nil, .unauthenticated, "401"),
            ("403", nil, .permissionDenied, "403"),
            ("404", "text/plain", .unimplemented, "404"), ("404", "application/grpc", .unimplemented, "404"),
            ("429", nil, .unavailable, "429"), ("502", nil, .unavailable, "502"),
            ("503", "text/html", .unavailable, "503"), ("504", nil, .unavailable, "504"), ("500", nil, .unknown, "500"),
            ("", nil, .unknown, "HTTP status"),
        ] as [(String, String?, GRPCStatus.Code, String)]
    )
    func httpAnswers(status: String, type: String?, code: GRPCStatus.Code, text: String) throws {
        var answer = headers([":status": status])
        if let type { answer.append("content-type", type) }
        let status = try #require(GRPCStatus(httpHeaders: answer))
        #expect(status.code == code)
        #expect(status.message.contains(text))
    }

    @Test("a gRPC answer is recognized", arguments: ["application/grpc", "application/grpc+proto"])
    func grpcAnswers(type: String) {
        #expect(GRPCStatus(httpHeaders: headers([":status": "200", "content-type": type])) == nil)
    }
}

@Suite("GRPCMetadata", .unit, .timeLimit(.minutes(1)))
struct GRPCMetadataTests {
    @Test(
        "a timeout has at most eight digits and a unit",
        arguments: [
            (.seconds(10), "10000m"), (.milliseconds(1), "1m"), (.microseconds(1), "1m"), (.zero, "1m"),
            (.seconds(-5), "1m"), (.microseconds(1500), "2m"), (.milliseconds(99_999_999), "99999999m"),
            (.milliseconds(100_000_000), "100000S"), (.seconds(99_999_999), "99999999S"),
            (.seconds(100_000_000), "99999999S"), (.seconds(Int64.max), "99999999S"),
        ] as [(Duration, String)]
    )
    func timeouts(duration: Duration, text: String) {
        let now = MonotonicInstant.now
        #expect(GRPCMetadata.timeout(milliseconds: now.milliseconds(until: now + duration)) == text)
    }

    @Test("a request has the fields of gRPC, and those of the call's options")
    func fields() throws {
        func values(_ headers: HTTP2RequestHeaders) -> [String: String] {
            func string(_ text: HTTP2RequestHeaders.Text) -> String {
                switch text {
                case .fixed(let text): "\(text)"
                case .stored(let range): String(decoding: headers.bytes[range], as: UTF8.self)
                }
            }
            return Dictionary(uniqueKeysWithValues: headers.fields.map { (string($0.name), string($0.value)) })
        }
        let plain = values(GRPCMetadata(authority: "[::1]:2379").headers(path: "/s/m"))
        #expect(
            plain == [
                ":method": "POST", ":scheme": "http", ":path": "/s/m", ":authority": "[::1]:2379", "te": "trailers",
                "content-type": "application/grpc", "user-agent": "etcd-kit-swift",
            ]
        )
        let full = GRPCMetadata(authority: "a:1", deadline: .now + .seconds(1000), requiresLeader: true)
        let more = values(full.headers(path: "/s/m"))
        #expect(more["hasleader"] == "true")
        let timeout = try #require(more["grpc-timeout"])
        #expect(timeout.hasSuffix("m"))
        #expect((900_000...1_000_000).contains(try #require(Int(timeout.dropLast()))))
    }
}
