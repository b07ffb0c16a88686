// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// A Chromium without a window, driven over two pipes by the [DevTools protocol](https://chromedevtools.github.io/).
final class Browser {
    /// Where Chromium is; nil if it is not installed.
    static let path: String? = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        .map { "\($0)/chromium" }.first { FileManager.default.isExecutableFile(atPath: $0) }

    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private let profile = FileManager.default.temporaryDirectory.appending(path: "browser-\(UUID().uuidString)")
    private var chunks: AsyncStream<Data>.Iterator
    private var unread = Data()
    private var calls = 0
    private var session: String?
    /// The messages of the page and the browser on the console.
    private(set) var messages: [String] = []

    /// Opens a page.
    init(_ address: String, width: Int = 1280, scheme: String = "light") async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: Data.self)
        chunks = stream.makeAsyncIterator()
        output.fileHandleForReading.readabilityHandler = { handle in
            let data = handle.availableData
            if data.isEmpty { continuation.finish() } else { continuation.yield(data) }
        }
        process.executableURL = URL(filePath: "/bin/sh")
        // The protocol is spoken on descriptors 3 and 4.
        let command = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"
        process.arguments = [
            "-c", command, try #require(Self.path), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--remote-debugging-pipe", "--user-data-dir=\(profile.path)", "about:blank",
        ]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        let target = try await call("Target.createTarget", ["url": "about:blank"])["targetId"] as? String ?? ""
        let attached = try await call("Target.attachToTarget", ["targetId": target, "flatten": true])
        session = attached["sessionId"] as? String
        for domain in ["Runtime", "Log", "Page"] { try await call("\(domain).enable") }
        let feature = ["name": "prefers-color-scheme", "value": scheme]
        try await call("Emulation.setEmulatedMedia", ["features": [feature]])
        try await resize(to: width)
        try await call("Page.navigate", ["url": address])
        let isLoaded = try await sees("document.readyState === 'complete'")
        try #require(isLoaded)
    }

    func resize(to width: Int) async throws {
        let size: [String: Any] = ["width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false]
        try await call("Emulation.setDeviceMetricsOverride", size)
    }

    /// Runs a script in the page, and gives its value as text.
    @discardableResult func value(of script: String) async throws -> String {
        let parameters: [String: Any] = ["expression": script, "awaitPromise": true, "returnByValue": true]
        let result = try await call("Runtime.evaluate", parameters)
        try #require(result["exceptionDetails"] == nil, "\(script): \(result)")
        return ((result["result"] as? [String: Any])?["value"]).map { "\($0)" } ?? ""
    }

    /// Waits until a condition holds in the page; false if it does not within 20 s.
    func sees(_ condition: String) async throws -> Bool {
        try await value(
            of: """
                new Promise(done => {
                  const end = Date.now() + 20000;
                  const look = () => (\(condition)) ? done('yes') : Date.now() > end ? done('no') : setTimeout(look, 20);
                  look();
                })
                """
        ) == "yes"
    }

    /// The text that the page shows, with plain spaces.
    func text() async throws -> String { try await value(of: "document.body.innerText.replaceAll('\\u00a0', ' ')") }

    func close() {
        output.fileHandleForReading.readabilityHandler = nil
        process.terminate()
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: profile)
    }

    @discardableResult
    private func call(_ method: String, _ parameters: [String: Any] = [:]) async throws -> [String: Any] {
        calls += 1
        var message: [String: Any] = ["id": calls, "method": method, "params": parameters]
        message["sessionId"] = session
        try input.fileHandleForWriting.write(contentsOf: JSONSerialization.data(withJSONObject: message) + [0])
        while true {
            let answer = try await nextMessage()
            let event = answer["method"] as? String
            if ["Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"].contains(event) {
                messages.append("\(answer["params"] ?? "")")
            }
            guard answer["id"] as? Int == calls else { continue }
            return try #require(answer["result"] as? [String: Any], "\(method): \(answer)")
        }
    }

    private func nextMessage() async throws -> [String: Any] {
        while true {
            if let end = unread.firstIndex(of: 0) {
                let message = try JSONSerialization.jsonObject(with: unread[..<end])
                unread = Data(unread[(end + 1)...])
                return message as? [String: Any] ?? [:]
            }
            let chunk = await chunks.next(isolation: #isolation)
            unread += try #require(chunk, "Chromium has ended")
        }
    }
}
