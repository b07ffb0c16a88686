// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import EtcdMonitorKit

/// The rules that Slack publishes for the messages of incoming webhooks, and its answers.
enum SlackRules {
    /// Answers as Slack does; a message that breaks a rule is answered with the rule, too.
    static let answer: RecordingReceiver.Answer = { request in
        let violations = violations(in: request)
        return violations.isEmpty ? HTTPResponse(200, "ok") : HTTPResponse(400, "invalid_payload \(violations)")
    }

    /// The rules that a request breaks.
    static func violations(in request: HTTPRequest) -> [String] {
        var broken: [String] = []
        func rule(_ name: String, _ holds: Bool) { if !holds { broken.append(name) } }
        rule("the method is POST", request.method == "POST")
        rule("the type is JSON", request.headers["Content-Type"]?.hasPrefix("application/json") == true)
        guard let message = try? JSON(request.body) else { return broken + ["the body is JSON"] }
        rule("the keys are known", message.names.isSubset(of: ["text", "blocks", "attachments"]))
        let text = message["text"].text ?? ""
        rule("there is a text of at most 40000 characters", !text.isEmpty && text.utf16.count <= 40000)
        rule("the text is escaped", isEscaped(text))
        if message.names.contains("blocks") {
            rule("there are 1 to 50 blocks", (1...50).contains(message["blocks"].elements.count))
        }
        for block in message["blocks"].elements {
            switch block["type"].text {
            case "header":
                rule("a header is plain text", block["text"]["type"].text == "plain_text")
                rule("a header has 1 to 150 characters", length(block["text"], in: 1...150))
            case "section":
                let fields = block["fields"].elements
                rule("a section has a text or fields", block.names.contains("text") || !fields.isEmpty)
                rule("the text of a section has 1 to 3000 characters", length(block["text"], in: 1...3000))
                rule("a section has at most 10 fields", fields.count <= 10)
                for field in fields { rule("a field has 1 to 2000 characters", length(field, in: 1...2000)) }
                for part in [block["text"]] + fields { rule("the markup is escaped", isMarkup(part)) }
            case "context":
                rule("a context has 1 to 10 elements", (1...10).contains(block["elements"].elements.count))
                for part in block["elements"].elements {
                    rule("the markup is escaped", isMarkup(part))
                    rule("an element has a text", length(part, in: 1...3000))
                }
            case "divider": rule("a divider has only its type", block.names == ["type"])
            default: broken.append("the type of a block is known")
            }
        }
        // Not published: a message of 11341 characters was refused (slackapi/bolt-js#2867).
        rule("all blocks together have at most 10000 characters", length(of: message["blocks"]) <= 10000)
        return broken
    }

    /// The characters of all texts in a value.
    private static func length(of value: JSON) -> Int {
        switch value {
        case .object(let values): values.values.reduce(0) { $0 + length(of: $1) }
        case .array(let values): values.reduce(0) { $0 + length(of: $1) }
        case .string(let text): text.utf16.count
        default: 0
        }
    }

    private static func length(_ text: JSON, in range: ClosedRange<Int>) -> Bool {
        range.contains(text["text"].text?.utf16.count ?? 0)
    }

    private static func isMarkup(_ part: JSON) -> Bool {
        part["type"].text == "mrkdwn" && isEscaped(part["text"].text ?? "")
    }

    /// Each `&` begins one of the three entities, and each `<` a link.
    private static func isEscaped(_ text: String) -> Bool {
        let rest = text.replacing(/<https?:\/\/[^<>|\s]+\|[^<>|]+>/, with: "").replacing(/&(amp|lt|gt);/, with: "")
        return !rest.contains { "&<>".contains($0) }
    }
}
