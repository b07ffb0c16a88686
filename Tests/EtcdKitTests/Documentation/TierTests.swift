// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Tests/README.md is true: each suite has a tier, and the table has all suites.
///
/// With `ETCD_KIT_WRITE_DOCS` in the environment, the test writes the table instead of comparing it.
@Suite("Tests/README.md", .unit)
struct TierTests {
    private static let tiers = ["unit", "live", "cluster", "slow", "measurement"]

    /// The names of the suites in a file, each with its tier.
    private static func suites(in file: URL) throws -> [(name: String, tier: String)] {
        let source = try String(contentsOf: file, encoding: .utf8)
        return try source.matches(of: /(?m)^@Suite((?:.*\n)*?.*?)\b(?:struct|class) (\w+)/).map { match in
            let attributes = match.1.replacing(/"(?:[^"\\]|\\.)*"/, with: "")
            let tier = attributes.firstMatch(of: /\.(unit|live|cluster|measurement|slow)\b/)?.1
            return (String(match.2), String(try #require(tier, "\(match.2) has no tier")))
        }
    }

    @Test("has all suites, by the folders of the sources and by tiers")
    func table() throws {
        var folders: [String: [String: [String]]] = [:]
        for file in try Repository.files(in: "Tests", ending: "Tests.swift") {
            let folder = file.path.dropFirst(Repository.url("Tests").path.count + 1).split(separator: "/").prefix(2)
            for suite in try Self.suites(in: file) {
                folders[folder.joined(separator: "/"), default: [:]][suite.tier, default: []].append("`\(suite.name)`")
            }
        }
        #expect(folders.count > 40)
        var rows = ["| folder | tier | suites |", "|---|---|---|"]
        for (folder, suites) in folders.sorted(by: { $0.key < $1.key }) {
            for tier in Self.tiers {
                guard let names = suites[tier] else { continue }
                rows.append("| \(folder) | \(tier) | \(names.sorted().joined(separator: ", ")) |")
            }
        }
        try Repository.compare("suites", with: rows.joined(separator: "\n"), in: Repository.url("Tests/README.md"))
    }
}
