// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdMonitorKit

@Suite("SMTP replies", .unit)
struct SMTPReplyTests {
    @Test func `Replies split at any byte are the same replies`() throws {
        let text = "220 hi\r\n250-a\r\n250-b c\r\n250\r\n334 \r\n550-5.1.1 no\n550 5.1.1 way\r\n"
        let expected = [
            SMTPReply(code: 220, lines: ["hi"]), SMTPReply(code: 250, lines: ["a", "b c", ""]),
            SMTPReply(code: 334, lines: [""]), SMTPReply(code: 550, lines: ["5.1.1 no", "5.1.1 way"]),
        ]
        let bytes = Array(text.utf8)
        for first in 0...bytes.count {
            for second in first...bytes.count {
                var unread: [UInt8] = []
                var parser = SMTPReplyParser()
                var replies: [SMTPReply] = []
                for piece in [bytes[..<first], bytes[first..<second], bytes[second...]] {
                    unread += piece
                    while let reply = try parser.next(&unread) {
                        replies.append(reply)
                        parser = SMTPReplyParser()
                    }
                }
                #expect(replies == expected && unread.isEmpty)
            }
        }
    }

    @Test func `Long replies are refused, and those at the limit are not`() throws {
        func parse(_ text: String) throws -> SMTPReply? {
            var (parser, unread) = (SMTPReplyParser(), Array(text.utf8))
            return try parser.next(&unread)
        }
        let line = "250-" + String(repeating: "a", count: SMTPReplyParser.lineLimit - 4)
        #expect(try parse(line) == nil)
        #expect(throws: SMTPReplyParser.Malformed.self) { try parse(line + "a") }
        #expect(throws: SMTPReplyParser.Malformed.self) { try parse(line + "a\n") }
        let lines = String(repeating: "250-" + String(repeating: "a", count: 1019) + "\n", count: 32)
        #expect(try parse(lines) == nil)
        #expect(throws: SMTPReplyParser.Malformed.self) { try parse(lines + "250 \n") }
    }

    @Test func `A quoted reply is one short line without control characters and secrets`() {
        let reply = SMTPReply(code: 535, lines: ["5.7.8 bad\u{7} \u{1b}[31mhun\u{0}ter2", "5.7.8 hunter2\r", "x"])
        #expect(reply.quoted(without: ["hunter2"]) == "535 5.7.8 bad [31m(secret) (secret) x")
        let long = SMTPReply(code: 550, lines: [String(repeating: "a", count: 193) + "hunter2" + "b"])
        let quote = long.quoted(without: ["hunter2"])
        #expect(!quote.contains("h") && quote.unicodeScalars.count == 200 && quote.hasSuffix("…"))
        #expect(long.quoted(without: []).contains("hu"))
        // Only a status that all lines have is recognized.
        #expect(SMTPReply(code: 250, lines: ["1.2 a", "1.2 b"]).quoted(without: []) == "250 1.2 a 1.2 b")
        #expect(SMTPReply(code: 250, lines: ["2.1.5 a", "2.1.5 b"]).quoted(without: []) == "250 2.1.5 a b")
    }

    @Test func `The extensions of a server are read as it writes them`() {
        let lines = ["mail.test greets", "size 1000", "auth login PLAIN", "AUTH=CRAM-MD5", "StartTLS", "SMTPUTF8", ""]
        let capabilities = SMTPCapabilities(SMTPReply(code: 250, lines: lines))
        #expect(capabilities.sizeLimit == 1000 && capabilities.takesSize && capabilities.offersStartTLS)
        #expect(capabilities.mechanisms == ["LOGIN", "PLAIN", "CRAM-MD5"] && capabilities.offersUTF8)
        for size in ["SIZE", "SIZE 0", "SIZE -1", "SIZE x", "SIZE 99999999999999999999999"] {
            let capabilities = SMTPCapabilities(SMTPReply(code: 250, lines: ["STARTTLS", size]))
            #expect(capabilities.sizeLimit == nil && capabilities.takesSize && !capabilities.offersStartTLS)
        }
    }
}
