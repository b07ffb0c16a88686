// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Writes the fields of a mail's head: folded, and with encoded words (RFC 2047) for text beyond ASCII.
enum MailHeader {
    /// The longest line that contains encoded words.
    private static let lineLimit = 76
    /// The longest word that is not encoded.
    ///
    /// An encoded word can be split.
    private static let wordLimit = 60
    /// The bytes of one encoded word, which fits into a line after the name of a field.
    private static let encodedBytes = 39

    /// A field in lines that end with CRLF, folded between its parts.
    ///
    /// The parts must have no line breaks; pass external text through ``text(_:)`` or ``phrase(_:)``.
    static func field(_ name: String, _ parts: [String]) -> String {
        var field = "\(name):"
        var column = field.utf8.count
        for (index, part) in parts.enumerated() {
            if index > 0 && column + 1 + part.utf8.count > lineLimit {
                field += "\r\n"
                column = 0
            }
            field += " \(part)"
            column += 1 + part.utf8.count
        }
        return field + "\r\n"
    }

    /// A text as the parts of an unstructured field, such as the subject.
    static func text(_ text: String) -> [String] {
        let line = text.oneLine.cut(to: 250)
        return isPlain(line) ? words(of: line) : encodedWords(line)
    }

    /// A name as the parts of a phrase before an address.
    static func phrase(_ name: String) -> [String] {
        let line = name.oneLine.cut(to: 250)
        guard isPlain(line) else { return encodedWords(line) }
        if words(of: line).allSatisfy({ $0.unicodeScalars.allSatisfy(MailAddress.isAtomText) }) {
            return words(of: line)
        }
        let quoted = line.reduce(into: "") { $0 += $1 == "\"" || $1 == "\\" ? "\\\($1)" : "\($1)" }
        return quoted.utf8.count <= wordLimit ? ["\"\(quoted)\""] : encodedWords(line)
    }

    private static func words(of line: String) -> [String] { line.split(separator: " ").map(String.init) }

    private static func isPlain(_ line: String) -> Bool {
        line.utf8.allSatisfy { (32...126).contains($0) } && !line.contains("=?")
            && words(of: line).allSatisfy { $0.utf8.count <= wordLimit }
    }

    private static func encodedWords(_ line: String) -> [String] {
        var words: [String] = []
        var bytes: [UInt8] = []
        func end() {
            if !bytes.isEmpty { words.append("=?UTF-8?B?\(Data(bytes).base64EncodedString())?=") }
            bytes = []
        }
        for scalar in line.unicodeScalars {
            let character = Array(String(scalar).utf8)
            if bytes.count + character.count > encodedBytes { end() }
            bytes += character
        }
        end()
        return words
    }
}
