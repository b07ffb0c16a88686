// SPDX-License-Identifier: Apache-2.0

extension MailPage {
    /// The page in HTML: one column that fits a phone, no external content, and colours for light and dark.
    ///
    /// A mail program that drops the style sheet still shows headings, paragraphs and tables.
    var html: String {
        let main = (introduction.map { "<p>\($0.inHTML)</p>\n" } ?? "") + sections.map(card).joined()
        let link = monitor.map { "<br>\n\(Self.link($0, "Open the monitor"))" } ?? ""
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta name="supported-color-schemes" content="light dark">
            <title>\(cluster.inHTML)</title>
            <style>
            \(Self.style)
            </style>
            </head>
            <body>
            <div class="page">
            \(main)<p class="end">\(closing.map(\.inHTML).joined(separator: "<br>\n"))\(link)</p>
            </div>
            </body>
            </html>

            """
    }

    private func card(_ section: Section) -> String {
        let facts = section.facts.map {
            "<tr><th scope=\"row\">\($0.name.inHTML)</th><td>\($0.value.inHTML)</td></tr>\n"
        }
        let description = section.description.isEmpty ? "" : "<p>\(section.description.inHTML)</p>\n"
        let runbook = section.runbook.map { "<p class=\"runbook\">\(Self.link($0, "Runbook"))</p>\n" } ?? ""
        return """
            <div class="card \(section.style)">
            <p class="top"><span class="mark">\(section.mark.inHTML)</span> \(cluster.inHTML)</p>
            <h2>\(section.summary.inHTML)</h2>
            <p class="time">\(section.time.inHTML)</p>
            \(description)<table>
            \(facts.joined())</table>
            \(runbook)</div>

            """
    }

    /// A link for a web address; other addresses, such as a file's, are shown as text.
    private static func link(_ address: String, _ text: String) -> String {
        guard address.isWebURL else { return "\(text.inHTML): \(address.inHTML)" }
        return "<a href=\"\(address.inHTML)\">\(text.inHTML)</a>"
    }

    /// The style sheet.
    ///
    /// Every text has a contrast of at least 4.5 in both colour schemes.
    private static let style = """
        :root { color-scheme: light dark; }
        body { margin: 0; padding: 12px; background: #f4f5f7; color: #1c2128; overflow-wrap: anywhere;
          font: 16px/1.45 -apple-system, system-ui, "Segoe UI", Roboto, Arial, sans-serif; }
        .page { max-width: 600px; margin: 0 auto; }
        .card { background: #fff; border: 1px solid #d5d9e0; border-left: 5px solid #57606a; border-radius: 8px;
          padding: 14px 16px; margin: 0 0 12px; }
        .critical { border-left-color: #b3261e; } .warning { border-left-color: #b7791f; }
        .info { border-left-color: #2b6cb0; } .resolved { border-left-color: #1a7431; }
        .mark { font-weight: 700; }
        .critical .mark { color: #b3261e; } .warning .mark { color: #8a5000; }
        .info .mark { color: #2b6cb0; } .resolved .mark { color: #1a7431; }
        h2 { font-size: 19px; line-height: 1.3; margin: 4px 0; }
        p { margin: 10px 0; }
        .top { margin: 0; }
        .top, .time, .end, th { color: #57606a; font-size: 14px; }
        .time { margin: 0; }
        table { border-collapse: collapse; width: 100%; margin-top: 10px; }
        th, td { text-align: left; vertical-align: top; padding: 4px 0; border-top: 1px solid #e6e9ee; font-size: 14px; }
        th { font-weight: 400; width: 35%; padding-right: 12px; }
        a { color: #0b57d0; }
        .runbook { margin-bottom: 0; }
        .runbook a { font-weight: 600; }
        .end { margin: 16px 4px; }
        @media (prefers-color-scheme: dark) {
          body { background: #0e1217; color: #e6e9ee; }
          .card { background: #171c23; border-color: #323a45; }
          .critical { border-left-color: #ff8a80; } .warning { border-left-color: #e6a94a; }
          .info { border-left-color: #7fb6ee; } .resolved { border-left-color: #5cc980; }
          .critical .mark { color: #ff8a80; } .warning .mark { color: #e6a94a; }
          .info .mark { color: #7fb6ee; } .resolved .mark { color: #5cc980; }
          .top, .time, .end, th { color: #9ba5b3; }
          th, td { border-top-color: #323a45; }
          a { color: #8ab4f8; }
        }
        """
}
