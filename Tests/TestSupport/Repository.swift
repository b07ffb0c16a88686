// SPDX-License-Identifier: Apache-2.0

package import Foundation
import Testing

/// The files of this repository, which tests compare with the code.
package enum Repository {
    /// This file is three levels below it.
    package static let root = URL(fileURLWithPath: #filePath).appending(path: "../../..").standardized

    /// A file or folder, by its path from the root, such as `Docs/Client.md`.
    package static func url(_ path: String) -> URL { root.appending(path: path) }

    /// The text of a file.
    package static func text(_ path: String) throws -> String { try String(contentsOf: url(path), encoding: .utf8) }

    /// The files in a folder and in its folders, in the order of their paths.
    package static func files(in folder: String, ending: String = "") throws -> [URL] {
        let paths = try FileManager.default.subpathsOfDirectory(atPath: url(folder).path)
        return paths.filter { $0.hasSuffix(ending) }.sorted().map { url(folder).appending(path: $0) }
    }

    /// Compares a part of a page with what it should be, or writes it there if `ETCD_KIT_WRITE_DOCS` is in the environment.
    ///
    /// - Parameters:
    ///   - part: The name in the part's marks, `<!-- begin NAME -->` and `<!-- end NAME -->`.
    ///   - expected: The text between them.
    ///   - page: The file.
    /// - Throws: The error of reading or writing the file.
    package static func compare(_ part: String, with expected: String, in page: URL) throws {
        let text = try String(contentsOf: page, encoding: .utf8)
        guard
            let start = text.firstRange(of: "<!-- begin \(part) -->\n")?.upperBound,
            let end = text[start...].firstRange(of: "\n<!-- end \(part) -->")?.lowerBound
        else {
            Issue.record("\(page.path) has no marks for \(part)")
            return
        }
        if ProcessInfo.processInfo.environment["ETCD_KIT_WRITE_DOCS"] != nil {
            try Data("\(text[..<start])\(expected)\(text[end...])".utf8).write(to: page)
        } else if text[start..<end] != expected {
            Issue.record("the page should have, between its marks for \(part):\n\(expected)")
        }
    }
}

/// The rows of a table in Markdown, each as its cells without the spaces around them; the first is the heading.
///
/// - Parameters:
///   - text: A page.
///   - first: The first cell of the heading.
/// - Returns: Nothing if the page has no such table.
package func markdownTable(in text: String, startingWith first: String) -> [[String]] {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard let start = lines.firstIndex(where: { $0.hasPrefix("| \(first) |") }) else { return [] }
    let rows = lines[start...].prefix { $0.hasPrefix("|") }.map { line in
        line.dropFirst().dropLast().components(separatedBy: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    }
    // The second line only rules the table.
    return Array(rows.prefix(1) + rows.dropFirst(2))
}
