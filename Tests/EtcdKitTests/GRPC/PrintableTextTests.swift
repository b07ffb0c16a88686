// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// Text of a peer is shown to people without characters that could control their terminals and logs.
@Suite("PrintableText", .unit, .timeLimit(.minutes(1)))
struct PrintableTextTests {
    @Test(
        "control characters and invisible characters become spaces",
        arguments: [
            ("plain, grün, 日本, 👍🏽", "plain, grün, 日本, 👍🏽"), ("", ""), ("a\nb\r\tc", "a b  c"),
            ("\u{1b}[31mred\u{7}", " [31mred "), ("\0\u{7f}\u{9b}2J", "   2J"), ("a\u{2028}b\u{2029}", "a b "),
            ("user\u{202e}gpj", "user gpj"), ("x\u{200b}\u{feff}", "x  "),
        ]
    )
    func printable(text: String, shown: String) {
        #expect(text.printable == shown)
    }

    @Test("the message of a status is cleaned after it is decoded, and so is the message that replaces a missing one")
    func status() throws {
        var headers = HTTP2Headers()
        headers.append("grpc-status", "14")
        headers.append("grpc-message", "etcd%1B[2J%0d%0aserver\u{9b}: no leader")
        let status = try #require(GRPCStatus(headers: headers, trailers: HTTP2Headers()))
        #expect(status.message == "etcd [2J  server : no leader")
        var answer = HTTP2Headers()
        answer.append(":status", "200")
        answer.append("content-type", "text/\u{1b}]0;x\u{7}")
        #expect(GRPCStatus(httpHeaders: answer)?.message == "the answer is not gRPC but \"text/ ]0;x \"")
    }

    @Test("the reason of a GOAWAY and of a cancelled watch are cleaned")
    func goAway() throws {
        let pair = try HTTP2Pair()
        try pair.run()
        pair.server.goAway(lastStreamID: 0, .enhanceYourCalm, "too\u{1b}[1m_many\n_pings")
        try pair.run()
        #expect(pair.client.goAway?.debugData == "too [1m_many _pings")
        #expect(EtcdError(cancelReason: "no\u{7}\n").message == "no  ")
    }
}
