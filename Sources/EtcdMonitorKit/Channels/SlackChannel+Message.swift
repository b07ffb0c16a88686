// SPDX-License-Identifier: Apache-2.0

extension SlackChannel {
    /// A message of Slack.
    public struct Message: Sendable, Hashable, Encodable {
        /// The text, which is shown where blocks are not: in notifications and by screen readers.
        public var text: String
        /// The blocks; at most 50.
        public var blocks: [Block]

        /// Makes a message.
        ///
        /// - Parameters:
        ///   - text: The text, which is shown where blocks are not.
        ///   - blocks: The blocks; at most 50.
        public init(text: String, blocks: [Block] = []) {
            self.text = text
            self.blocks = blocks
        }

        private enum CodingKeys: CodingKey {
            case text, blocks
        }

        /// Writes the message as Slack takes it.
        ///
        /// - Parameter encoder: The encoder.
        /// - Throws: The error of the encoder.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(text, forKey: .text)
            if !blocks.isEmpty { try container.encode(blocks, forKey: .blocks) }
        }
    }

    /// A part of a message; its texts are Slack's markup, except that of a header.
    public enum Block: Sendable, Hashable, Encodable {
        /// A line in large letters; at most 150 characters.
        case header(String)
        /// A text of at most 3000 characters, and at most ten short ones of at most 2000, in two columns.
        case section(String, fields: [String] = [])
        /// Small texts; at most ten.
        case context([String])
        /// A line across.
        case divider

        private enum CodingKeys: CodingKey {
            case type, text, fields, elements
        }

        private struct Text: Encodable {
            let type: String
            let text: String
            /// Names in it are not made links.
            let verbatim: Bool?

            init(plain text: String) { (type, self.text, verbatim) = ("plain_text", text, nil) }

            init(markup text: String) { (type, self.text, verbatim) = ("mrkdwn", text, true) }
        }

        /// Writes the block as Slack takes it.
        ///
        /// - Parameter encoder: The encoder.
        /// - Throws: The error of the encoder.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            switch self {
            case .header(let text):
                try container.encode("header", forKey: .type)
                try container.encode(Text(plain: text), forKey: .text)
            case .section(let text, let fields):
                try container.encode("section", forKey: .type)
                try container.encode(Text(markup: text), forKey: .text)
                if !fields.isEmpty { try container.encode(fields.map(Text.init(markup:)), forKey: .fields) }
            case .context(let texts):
                try container.encode("context", forKey: .type)
                try container.encode(texts.map(Text.init(markup:)), forKey: .elements)
            case .divider:
                try container.encode("divider", forKey: .type)
            }
        }
    }

    /// A text in which nothing is markup: with `&`, `<` and `>` as Slack wants them.
    ///
    /// - Parameters:
    ///   - text: The text.
    ///   - limit: How many characters the result may have; the end of a longer one becomes an ellipsis.
    /// - Returns: The text for a message.
    public static func escaped(_ text: String, limit: Int = 3000) -> String {
        var result = ""
        var count = 0
        for scalar in text.unicodeScalars where scalar.isShown || scalar == "\n" {
            let piece =
                switch scalar {
                case "&": "&amp;"
                case "<": "&lt;"
                case ">": "&gt;"
                default: String(scalar)
                }
            // Slack does not say what it counts; there are no more characters than units of UTF-16.
            count += piece.utf16.count
            if count >= limit { return result + "…" }
            result += piece
        }
        return result
    }
}
