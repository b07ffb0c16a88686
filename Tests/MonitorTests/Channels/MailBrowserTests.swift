// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(
    "Mails in a browser",
    .cluster,
    .enabled(if: Browser.path != nil, "Chromium is not installed"),
    .serialized,
    .timeLimit(.minutes(2))
)
struct MailBrowserTests {
    @Test(arguments: [(320, "light"), (900, "dark")])
    func `A mail fits its window and follows the colours of the device`(width: Int, scheme: String) async throws {
        let long = String(repeating: "abcdefghij", count: 30)
        let evil = "</style><script>document.title='taken'</script><img src=x onerror=document.title='taken'>"
        let alerts = [
            MailSamples.alert(member: long, summary: evil, description: long, runbook: long, figures: [long: 1]),
            MailSamples.alert("EtcdSlowFsync", severity: .warning),
        ]
        let html = try #require(MailContent(MailSamples.notification(alerts.map { ($0, .fired) })).html)
        let file = FileManager.default.temporaryDirectory.appending(path: "mail-\(UUID().uuidString).html")
        try Data(html.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let browser = try await Browser(file.absoluteString, width: width, scheme: scheme)
        defer { browser.close() }
        #expect(try await browser.value(of: "document.documentElement.scrollWidth") == "\(width)")
        #expect(try await browser.value(of: "document.title") == "prod-eu")
        #expect(try await browser.value(of: "document.querySelectorAll('img, script').length") == "0")
        #expect(try await browser.value(of: "performance.getEntriesByType('resource').length") == "0")
        #expect(try await browser.text().contains(evil))
        let colour = try await browser.value(of: "getComputedStyle(document.body).backgroundColor")
        #expect(colour == (scheme == "dark" ? "rgb(14, 18, 23)" : "rgb(244, 245, 247)"))
        #expect(try await browser.value(of: Self.lowContrast) == "")
        #expect(browser.messages.isEmpty)
    }

    /// The texts whose contrast with the background is less than 4.5.
    private static let lowContrast = """
        (() => {
          const light = colour => {
            const [r, g, b] = colour.match(/[0-9.]+/g).map(part => part / 255)
              .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const behind = element => {
            const colour = getComputedStyle(element).backgroundColor;
            return colour === 'rgba(0, 0, 0, 0)' ? behind(element.parentElement) : colour;
          };
          return [...document.body.querySelectorAll('p, h2, th, td, a, span')].filter(element => {
            const two = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => a - b);
            return (two[1] + 0.05) / (two[0] + 0.05) < 4.5;
          }).map(element => element.outerHTML).join();
        })()
        """
}
