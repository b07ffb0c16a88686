// SPDX-License-Identifier: Apache-2.0

/// The extensions that a server offers in its answer to `EHLO`.
struct SMTPCapabilities: Sendable, Hashable {
    /// The parameters of each extension, in capitals like its name.
    private var extensions: [String: [String]] = [:]

    /// No extensions, as of a server that supports only `HELO`.
    init() {}

    /// The extensions in a reply, whose first line is a greeting.
    init(_ reply: SMTPReply) {
        for line in reply.lines.dropFirst() {
            // Some old servers write `AUTH=`.
            let words = line.uppercased().split { $0 == " " || $0 == "=" || $0 == "\t" }.map(String.init)
            if let name = words.first { extensions[name, default: []] += words.dropFirst() }
        }
    }

    var offersStartTLS: Bool { extensions["STARTTLS"] != nil }
    var offersUTF8: Bool { extensions["SMTPUTF8"] != nil }
    /// Whether `MAIL FROM` may contain the size of the mail.
    var takesSize: Bool { extensions["SIZE"] != nil }
    /// The largest size of a mail in bytes; nil if the server does not report it.
    var sizeLimit: Int? { extensions["SIZE"]?.first.flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil } }
    /// The login mechanisms; nil if there is no login.
    var mechanisms: [String]? { extensions["AUTH"] }
}
