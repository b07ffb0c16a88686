// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdMonitorKit

@Suite("Mail addresses", .unit)
struct MailAddressTests {
    @Test(arguments: [
        ("a@b", "", "a@b"), (" ops@example.com ", "", "ops@example.com"), ("<a@b>", "", "a@b"),
        ("Ops Team <ops+etcd@mail.example.com>", "Ops Team", "ops+etcd@mail.example.com"),
        ("\"Doe, \\\"J\\\" \\\\\" <j.doe@example.com>", "Doe, \"J\" \\", "j.doe@example.com"),
        ("Jörg 🚨 <jörg@bücher.example>", "Jörg 🚨", "jörg@bücher.example"),
        ("!#$%&'*+-/=?^_`{|}~@x-1.y", "", "!#$%&'*+-/=?^_`{|}~@x-1.y"),
    ])
    func `An address is read with its name`(text: String, name: String, address: String) throws {
        let read = try MailAddress(text, setting: "to")
        #expect(read.name == name && read.address == address)
    }

    @Test(arguments: [
        "", " ", "a", "a@", "@b", "a b@c", "a@b c", "a@b, c@d", "a@b;c@d", "a@@b", "a@b@c", ".a@b", "a.@b", "a..b@c",
        "a@.b",
        "a@b.", "a@b..c", "a@-b", "a@b-", "a@b_c", "a@[127.0.0.1]", "\"a b\"@c", "a@b>", "<a@b", "a@b <c@d>",
        "N, M <a@b>",
        "\"N <a@b>", "\"N\" x <a@b>", "N <a@b> x", "a@b\r\nRCPT TO:<c@d>", "N\u{0} <a@b>", "a\u{7f}@b", "a@b\u{2028}c",
        "a\u{202e}@b", "a>@b", "a@b\\", "a\\@b", "<<a@b>>", "a@\u{a0}b", "a(c)@b",
    ])
    func `An invalid address is refused with a reason`(text: String) {
        let error = #expect(throws: AlertChannelError.self) { try MailAddress(text, setting: "to") }
        #expect(error?.isPermanent == true && error?.message.hasPrefix("to: \"") == true)
        #expect(error?.message.unicodeScalars.allSatisfy { $0.value >= 32 && $0 != "\u{202e}" } == true)
    }

    @Test func `Parts that are too long are refused`() throws {
        let label = String(repeating: "a", count: 63)
        let domain = "\(label).\(label).\(label).\(label.dropLast(2))"
        _ = try MailAddress("\(label)a@\(domain)", setting: "to")
        for text in ["\(label)aa@b", "a@\(label)a", "a@\(domain)a"] {
            #expect(throws: AlertChannelError.self) { try MailAddress(text, setting: "to") }
        }
    }
}
