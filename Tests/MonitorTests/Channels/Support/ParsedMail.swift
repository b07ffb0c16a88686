// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// A mail as Python's `email` package reads it, with the policy `default`.
struct ParsedMail: Sendable, Decodable, Equatable {
    struct Address: Sendable, Decodable, Equatable {
        let name: String
        let address: String
    }

    let subject: String
    let from: [Address]
    let to: [Address]
    /// The other fields, by name in lower case.
    let fields: [String: String]
    /// The seconds since 1970.
    let date: Double?
    /// The type of the whole mail.
    let type: String
    /// The types of the parts, in their order.
    let partTypes: [String]
    /// The part in plain text, with the line ends of the wire.
    let text: String?
    /// The part in HTML.
    let html: String?
    /// Everything that Python finds wrong in the mail, its parts and its fields.
    let defects: [String]
    let longestLine: Int
    /// Line ends other than CRLF.
    let looseLineEnds: Int

    /// The roots of the conversations that the mail belongs to.
    var references: [String] { (fields["references"] ?? "").split(separator: " ").map(String.init) }

    /// The functions that the scripts use.
    static let pythonParser = #"""
        import email, email.header, email.policy, email.utils, json, re

        def parsed(raw):
            # Bytes would make UTF-8 in addresses unknown characters.
            mail = email.message_from_string(raw.decode(), policy=email.policy.default)
            parts = [part for part in mail.walk() if not part.is_multipart()]
            def content(kind):
                found = [part for part in parts if part.get_content_type() == kind]
                return found[0].get_content() if found else None
            def addresses(name):
                # The policy of today leaves a space between two encoded words of a name, against RFC 2047.
                field = email.message_from_string(raw.decode())[name] or ""
                decode = lambda text: str(email.header.make_header(email.header.decode_header(text)))
                return [{"name": decode(n), "address": a} for n, a in email.utils.getaddresses([field])]
            defects = [repr(d) for part in mail.walk() for d in part.defects]
            defects += [f"{n}: {d!r}" for part in mail.walk() for n, v in part.items() for d in v.defects]
            return {
                "subject": str(mail["subject"]), "from": addresses("from"), "to": addresses("to"),
                "fields": {n.lower(): str(v) for n, v in mail.items()},
                "date": mail["date"].datetime.timestamp() if mail["date"] and mail["date"].datetime else None,
                "type": mail.get_content_type(), "partTypes": [part.get_content_type() for part in parts],
                "text": content("text/plain"), "html": content("text/html"), "defects": defects,
                "longestLine": max(len(line) for line in raw.split(b"\r\n")),
                "looseLineEnds": len(re.findall(rb"(?<!\r)\n|\r(?!\n)", raw)),
            }
        """#

    /// Parses mails by one run of Python.
    static func parse(_ mails: [[UInt8]]) throws -> [ParsedMail] {
        let file = FileManager.default.temporaryDirectory.appending(path: "mails-\(UUID().uuidString)")
        try JSONEncoder().encode(mails.map { Data($0) }).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let script =
            pythonParser + """

                import base64, sys
                print(json.dumps([parsed(base64.b64decode(m)) for m in json.load(open(sys.argv[1]))]))
                """
        let output = try Python.run(try #require(Python.path), ["-c", script, file.path])
        return try JSONDecoder().decode([ParsedMail].self, from: output)
    }
}
