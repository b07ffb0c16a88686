// SPDX-License-Identifier: Apache-2.0

extension SlackChannel {
    /// A message of Slack.
    public struct Message: Sendable, Hashable, Encodable {
        /// The text for places that do not show blocks: notifications and screen readers.
        public var text: String
        /// The blocks; at most 50.
        public var blocks: [Block]

        /// Makes a message.
        ///
        /// - Parameters:
        ///   - text: The text for places that do not show blocks.
        ///   - blocks: The blocks; at most 50.
        public init(text: String, blocks: [Block] = []) {
            self.text = text
            self.blocks = blocks
        }

        private enum CodingKeys: CodingKey {
            case text, blocks
        }

        /// Encodes the message in Slack's format.
        ///
        /// - Parameter encoder: The encoder.
        /// - Throws: The error of the encoder.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(text, forKey: .text)
            if !blocks.isEmpty { try container.encode(blocks, forKey: .blocks) }
        }
    }

    /// A part of a message.
    ///
    /// Its texts are Slack's markup, except for the header.
    public enum Block: Sendable, Hashable, Encodable {
        /// A line in large letters; at most 150 characters.
        case header(String)
        /// A text of at most 3000 characters, and at most ten short ones of at most 2000, in two columns.
        case section(String, fields: [String] = [])
        /// Small texts; at most ten.
        case context([String])
        /// A horizontal line.
        case divider

        private enum CodingKeys: CodingKey {
            case type, text, fields, elements
        }

        private struct Text: Encodable {
            let type: String
            let text: String
            /// Whether names in it are not turned into links.
            let verbatim: Bool?

            init(plain text: String) { (type, self.text, verbatim) = ("plain_text", text, nil) }

            init(markup text: String) { (type, self.text, verbatim) = ("mrkdwn", text, true) }
        }

        /// Encodes the block in Slack's format.
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

    /// Escapes a text so that nothing in it is markup: Slack requires it for `&`, `<` and `>`.
    ///
    /// - Parameters:
    ///   - text: The text.
    ///   - limit: The largest number of characters of the result; a longer one is cut and ends with an ellipsis.
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
            // Slack does not document what it counts. There are never more characters than UTF-16 code units.
            count += piece.utf16.count
            if count >= limit { return result + "…" }
            result += piece
        }
        return result
    }
}
