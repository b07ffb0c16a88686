// SPDX-License-Identifier: Apache-2.0

/// The extensions that a server offers in its answer to `EHLO`.
struct SMTPCapabilities: Sendable, Hashable {
    /// The parameters of each extension, in capitals as its name.
    private var extensions: [String: [String]] = [:]

    /// No extensions, as a server has them that knows only `HELO`.
    init() {}

    /// The extensions of an answer, whose first line is a greeting.
    init(_ reply: SMTPReply) {
        for line in reply.lines.dropFirst() {
            // Some old servers write `AUTH=`.
            let words = line.uppercased().split { $0 == " " || $0 == "=" || $0 == "\t" }.map(String.init)
            if let name = words.first { extensions[name, default: []] += words.dropFirst() }
        }
    }

    var offersStartTLS: Bool { extensions["STARTTLS"] != nil }
    var offersUTF8: Bool { extensions["SMTPUTF8"] != nil }
    /// `MAIL FROM` may say how long the mail is.
    var takesSize: Bool { extensions["SIZE"] != nil }
    /// The most bytes of a mail; nil if the server does not say.
    var sizeLimit: Int? { extensions["SIZE"]?.first.flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil } }
    /// The ways to log in; nil if there is no login.
    var mechanisms: [String]? { extensions["AUTH"] }
}
