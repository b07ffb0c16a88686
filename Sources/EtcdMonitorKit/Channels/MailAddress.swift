// SPDX-License-Identifier: Apache-2.0

/// A mail address with an optional name, such as `Operations <ops@example.com>`.
struct MailAddress: Sendable, Hashable {
    /// The name; empty for none.
    let name: String
    /// The address alone, such as `ops@example.com`.
    let address: String

    /// The part after the `@`.
    var domain: String { String(address.split(separator: "@").last ?? "") }
    /// Whether it needs a server that supports UTF-8 in addresses.
    var needsUTF8: Bool { !address.utf8.allSatisfy { $0 < 128 } }

    /// Parses `Name <a@b>`, `"Name" <a@b>` or `a@b`.
    ///
    /// - Parameters:
    ///   - text: The address.
    ///   - setting: The name of the setting, for the error.
    /// - Throws: The reason why it is not an address, as a permanent error.
    init(_ text: String, setting: String) throws(AlertChannelError) {
        do {
            (name, address) = try Self.parse(text)
            try Self.check(address)
        } catch {
            let quoted = text.oneLine.cut(to: 200)
            throw AlertChannelError("\(setting): \"\(quoted)\" is not a mail address: \(error.text)", isPermanent: true)
        }
    }

    /// The parts of the address in a header, which can be folded between them.
    var headerTokens: [String] {
        name.isEmpty ? [address] : MailHeader.phrase(name) + ["<\(address)>"]
    }

    private struct Reason: Error { let text: String }

    private static func parse(_ text: String) throws(Reason) -> (name: String, address: String) {
        if let bad = text.unicodeScalars.first(where: { !isPrintable($0) && $0 != " " }) {
            throw Reason(text: "\(bad.debugDescription) is not allowed here")
        }
        let text = text.trimmed
        guard text.hasSuffix(">") else { return ("", text) }
        guard let start = text.lastIndex(of: "<") else { throw Reason(text: "\">\" without \"<\"") }
        let address = String(text[text.index(after: start)...].dropLast())
        return (try name(of: String(text[..<start]).trimmed), address)
    }

    private static func name(of text: String) throws(Reason) -> String {
        guard text.hasPrefix("\"") else {
            if let bad = text.first(where: { "\"<>@,;:\\".contains($0) }) {
                throw Reason(text: "a name with \(bad) must be in quotation marks")
            }
            return text
        }
        var name = ""
        var isEscaped = false
        var isOpen = true
        for character in text.dropFirst() {
            if !isOpen { throw Reason(text: "there is text after the closing quotation mark of the name") }
            if isEscaped || character != "\\" && character != "\"" {
                name.append(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else {
                isOpen = false
            }
        }
        if isOpen { throw Reason(text: "the closing quotation mark of the name is missing") }
        return name.trimmed
    }

    private static func check(_ address: String) throws(Reason) {
        guard let at = address.lastIndex(of: "@") else { throw Reason(text: "it has no \"@\"") }
        let (local, domain) = (address[..<at], address[address.index(after: at)...])
        if local.hasPrefix("\"") { throw Reason(text: "a quoted part before the \"@\" is not supported") }
        if domain.hasPrefix("[") { throw Reason(text: "an IP address is not supported as a domain") }
        if local.isEmpty || local.utf8.count > 64 { throw Reason(text: "there must be 1 to 64 bytes before the \"@\"") }
        for atom in local.split(separator: ".", omittingEmptySubsequences: false) {
            if atom.isEmpty { throw Reason(text: "a dot is at an end or next to another dot") }
            if let bad = atom.unicodeScalars.first(where: { !isAtomText($0) }) {
                throw Reason(text: "\(bad.debugDescription) is not allowed before the \"@\"")
            }
        }
        if domain.isEmpty || domain.utf8.count > 253 { throw Reason(text: "a domain must have 1 to 253 bytes") }
        for label in domain.split(separator: ".", omittingEmptySubsequences: false) {
            let isFine = label.unicodeScalars.allSatisfy { $0.properties.isAlphabetic || isLabelText($0) }
            if !isFine || label.isEmpty || label.utf8.count > 63 || label.hasPrefix("-") || label.hasSuffix("-") {
                throw Reason(text: "\"\(domain)\" is not a domain")
            }
        }
    }

    /// Whether the scalar is allowed in an unquoted word of a header, or is not ASCII.
    static func isAtomText(_ scalar: Unicode.Scalar) -> Bool {
        if !scalar.isASCII { return isPrintable(scalar) }
        return isLetterOrDigit(scalar) || "!#$%&'*+-/=?^_`{|}~".unicodeScalars.contains(scalar)
    }

    private static func isLabelText(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII ? isLetterOrDigit(scalar) || scalar == "-" : isPrintable(scalar)
    }

    static func isLetterOrDigit(_ scalar: Unicode.Scalar) -> Bool {
        ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar)
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator, .unassigned, .privateUse,
            .surrogate:
            false
        default: true
        }
    }
}

extension String {
    /// The text without spaces at its ends.
    fileprivate var trimmed: String {
        let start = drop { $0 == " " }
        return String(start.reversed().drop { $0 == " " }.reversed())
    }
}
