// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite("README.md of Integrations")
struct ReadmeTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
        .standardized

    @Test("has only Swift blocks that stand in Examples and are compiled, except the one for Package.swift")
    func blocks() throws {
        let readme = try String(contentsOf: Self.folder.appending(path: "README.md"), encoding: .utf8)
        let blocks = readme.components(separatedBy: "```swift\n").dropFirst().compactMap {
            $0.components(separatedBy: "```").first
        }
        let files = try ["Snippets", "GreetingService"].flatMap { name in
            let folder = Self.folder.appending(path: "Examples/\(name)")
            return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
                .map { Self.trimmed(try String(contentsOf: $0, encoding: .utf8)) }
        }
        let unknown = blocks.filter { block in !files.contains { $0.contains(Self.trimmed(block)) } }
        #expect(blocks.count >= 10)
        #expect(unknown.count == 1)
        #expect(unknown.first?.contains(".package(") == true)
    }

    @Test("names other packages with the versions of Package.swift")
    func versions() throws {
        let readme = try String(contentsOf: Self.folder.appending(path: "README.md"), encoding: .utf8)
        let manifest = try String(contentsOf: Self.folder.appending(path: "Package.swift"), encoding: .utf8)
        let packages = Self.trimmed(readme).split(separator: "\n").filter { $0.hasPrefix(".package(url:") }
        for package in packages { #expect(manifest.contains(package), "\(package)") }
        #expect(packages.count == 3)
    }

    @Test("names each product")
    func products() throws {
        let readme = try String(contentsOf: Self.folder.appending(path: "README.md"), encoding: .utf8)
        let sources = Self.folder.appending(path: "Sources").path
        let products = try FileManager.default.contentsOfDirectory(atPath: sources)
        for product in products { #expect(readme.contains("## \(product)\n"), "\(product)") }
        #expect(products.count >= 9)
    }

    /// The lines without their indentation, and without empty ones.
    private static func trimmed(_ text: String) -> String {
        text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
            .joined(separator: "\n")
    }
}
