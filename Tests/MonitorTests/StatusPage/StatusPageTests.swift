// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct StatusPageTests {
    @Test func `The page loads nothing from outside`() {
        // The namespace of SVG is a name, and nothing is loaded from it.
        let page = StatusPage.html.replacing("http://www.w3.org/2000/svg", with: "")
        #expect(page.matches(of: /(?:https?|wss?|ftp):\/\//).map(\.output) == [])
        #expect(page.matches(of: /(?:src|href|action)="(?!#|data:,)/).map(\.output) == [])
        #expect(page.matches(of: /url\(|@import|@font-face/).map(\.output) == [])
    }

    @Test func `The page uses relative paths, so that it works below any path`() {
        let asked = StatusPage.html.matches(of: /(?:fetch|EventSource|URL)\(['"`]([^'"`]*)/).map(\.output.1)
        #expect(!asked.isEmpty && asked.allSatisfy { $0.hasPrefix("api/v1/") })
        #expect(StatusPage.html.matches(of: /['"`=]\/(?:api|metrics|health)/).map(\.output) == [])
    }

    @Test(arguments: ["script", "style"]) func `The policy allows the page's element only`(_ element: String) throws {
        let parts = StatusPage.html.split(separator: "<\(element)", omittingEmptySubsequences: false)
        try #require(parts.count == 2)
        let start = try #require(parts[1].firstIndex(of: ">"))
        let end = try #require(parts[1].range(of: "</\(element)>"))
        let sum = SHA256()
        sum.update(Array(parts[1][parts[1].index(after: start)..<end.lowerBound].utf8)[...])
        let digest = Data(try #require(sum.finish())).base64EncodedString()
        let policy = try #require(StatusPage.headers["Content-Security-Policy"]).split(separator: "; ")
        #expect(policy.contains("\(element)-src 'sha256-\(digest)'"))
        #expect(policy.first == "default-src 'none'")
        #expect(!policy.contains { $0.contains("unsafe") || $0.contains("*") })
    }

    @Test func `Data never becomes HTML or code, and nothing needs what the policy refuses`() {
        let page = StatusPage.html
        let parsed = /innerHTML|outerHTML|insertAdjacent|document\.write|srcdoc|eval\(|Function\(|createContextual/
        #expect(page.matches(of: parsed).map(\.output) == [])
        #expect(page.matches(of: /\sstyle=|[{,]\s*style:|javascript:|<[^>]*\son[a-z]+=/).map(\.output) == [])
        #expect(page.matches(of: /console\./).map(\.output) == [])
    }
}
