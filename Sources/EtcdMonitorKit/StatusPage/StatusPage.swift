// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// The status page: one document with its style and its script, which loads nothing but the API.
///
/// Its data come from members and may be hostile. So the script creates text nodes only, and the policy in ``headers``
/// allows no other script.
enum StatusPage {
    /// The header fields of the page.
    static let headers: HTTPHeaders = [
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    ]

    /// The document.
    ///
    /// Its addresses are relative, so it works below any path that ends with a slash.
    static let html = """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>etcd monitor</title>
        <link rel="icon" id="icon" href="data:,">
        <style>\(style)</style>
        </head>
        <body>
        <a class="skip" href="#main">Skip to the content</a>
        <header>
          <h1>etcd monitor</h1>
          <label id="choice" hidden>Cluster <select id="cluster"></select></label>
          <p id="state">Connecting…</p>
        </header>
        <div id="banner" role="status" hidden>
          <p><span id="trouble"></span> <span id="countdown" aria-hidden="true"></span></p>
          <button type="button" id="retry">Retry now</button>
        </div>
        <main id="main" tabindex="-1">
          <noscript><p class="card">This page needs JavaScript; the data is at api/v1/cluster/status.</p></noscript>
          <section id="comparison" aria-labelledby="comparison-title" hidden>
            <h2 id="comparison-title">Clusters</h2>
            <div class="scroll card" id="clusters" tabindex="0" role="region" aria-labelledby="comparison-title"></div>
          </section>
          <section aria-label="Verdict">
            <div id="verdict" class="card" aria-live="polite"></div>
            <dl id="tiles"></dl>
          </section>
          <section id="known" hidden>
            <section aria-labelledby="findings-title">
              <h2 id="findings-title">Findings</h2>
              <div id="findings"></div>
            </section>
            <section id="alerts" aria-labelledby="alerts-title" hidden>
              <h2 id="alerts-title">Alerts</h2>
              <p class="aside" id="alerts-note" role="status"></p>
              <div class="scroll card stack" id="open-alerts" tabindex="0" role="region"
                aria-labelledby="alerts-title"></div>
              <div id="silenced" hidden>
                <h2 id="silences-title">Silences</h2>
                <div class="scroll card stack" id="silences" tabindex="0" role="region"
                  aria-labelledby="silences-title"></div>
              </div>
            </section>
            <section aria-labelledby="members-title">
              <h2 id="members-title">Members</h2>
              <div class="scroll card stack" id="members" tabindex="0" role="region" aria-labelledby="members-title"></div>
            </section>
            <section aria-labelledby="charts-title">
              <div class="row">
                <h2 id="charts-title">Charts</h2>
                <div id="ranges" role="group" aria-label="Time range"></div>
              </div>
              <p class="aside" id="charts-help">Point at a chart, or focus it and use the arrow keys.</p>
              <div id="charts"></div>
            </section>
            <div class="pair">
              <section aria-labelledby="links-title">
                <h2 id="links-title">Peer links</h2>
                <div class="scroll card" id="links" tabindex="0" role="region" aria-labelledby="links-title"></div>
              </section>
              <section aria-labelledby="leaders-title">
                <h2 id="leaders-title">Leader changes</h2>
                <div class="scroll card" id="leaders" tabindex="0" role="region" aria-labelledby="leaders-title">
                </div>
              </section>
            </div>
            <section id="told" hidden>
              <section aria-labelledby="past-title">
                <h2 id="past-title">Resolved alerts</h2>
                <div class="scroll card stack" id="past" tabindex="0" role="region" aria-labelledby="past-title"></div>
              </section>
              <section aria-labelledby="channels-title">
                <h2 id="channels-title">Channels</h2>
                <div class="scroll card stack" id="channels" tabindex="0" role="region"
                  aria-labelledby="channels-title"></div>
              </section>
            </section>
          </section>
        </main>
        <footer id="footer"></footer>
        <p id="said" class="hidden" aria-live="polite"></p>
        <dialog id="login" aria-labelledby="login-title">
          <form id="login-form">
            <h2 id="login-title">This monitor needs a token</h2>
            <p id="login-note"></p>
            <label>Bearer token
              <input id="token" type="text" required autocomplete="off" autocapitalize="off" spellcheck="false">
            </label>
            <div class="row"><button type="button" id="cancel">Cancel</button> <button>Continue</button></div>
          </form>
        </dialog>
        \(alertDialogs)
        <script type="module">\(script)\(alerts)\(charts)</script>
        </body>
        </html>
        """

    /// A policy that allows only this script, this style and the API.
    private static let policy = [
        "default-src 'none'", "script-src \(source(of: script + alerts + charts))", "style-src \(source(of: style))",
        "connect-src 'self'", "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    ].joined(separator: "; ")

    /// The source expression of a text in the page; without a digest, it allows nothing.
    private static func source(of text: String) -> String {
        let sum = SHA256()
        sum.update(Array(text.utf8)[...])
        return sum.finish().map { "'sha256-\(Data($0).base64EncodedString())'" } ?? "'none'"
    }
}
