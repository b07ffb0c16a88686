// SPDX-License-Identifier: Apache-2.0

extension Exporter {
    /// A text format of metrics.
    enum Format: Sendable {
        /// The format of Prometheus, version 0.0.4.
        case text
        /// OpenMetrics 1.0.
        case openMetrics

        /// The format that a client prefers; that of Prometheus if it accepts none of the served formats.
        ///
        /// - Parameter accept: The values of the field `Accept`.
        init(accepting accept: [String]) {
            var (text, openMetrics) = (0.0, 0.0)
            for item in accept.flatMap({ $0.split(separator: ",") }) {
                let parts = item.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
                var (quality, version) = (1.0, "")
                for parameter in parts.dropFirst() {
                    if parameter.hasPrefix("q=") { quality = Double(parameter.dropFirst(2)) ?? 0 }
                    if parameter.hasPrefix("version=") { version = String(parameter.dropFirst(8)) }
                }
                switch (parts.first, version) {
                case ("application/openmetrics-text", ""), ("application/openmetrics-text", "1.0.0"):
                    openMetrics = max(openMetrics, quality)
                case ("text/plain", ""), ("text/plain", "0.0.4"), ("text/*", _), ("*/*", _):
                    text = max(text, quality)
                default: break
                }
            }
            self = openMetrics > 0 && openMetrics >= text ? .openMetrics : .text
        }

        /// The value of the field `Content-Type`.
        var contentType: String {
            switch self {
            case .text: "text/plain; version=0.0.4; charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }

    /// Writes families as a page.
    ///
    /// - Parameters:
    ///   - families: The families. The name of a counter's family has no suffix `_total`; its samples have one.
    ///   - format: The format.
    /// - Returns: The text.
    static func text(of families: [Exposition.Family], _ format: Format) -> String {
        var page = ""
        for family in families where !family.samples.isEmpty {
            let isOldCounter = family.kind == .counter && format == .text
            let name = isOldCounter ? family.name + "_total" : family.name
            page += "# HELP \(name) \(escaped(family.help, quotes: format == .openMetrics))\n"
            page += "# TYPE \(name) \(family.kind.rawValue)\n"
            for sample in family.samples {
                page += sample.name
                if !sample.labels.isEmpty {
                    let labels = sample.labels.sorted { $0.key < $1.key }
                    page +=
                        "{\(labels.map { "\($0.key)=\"\(escaped($0.value, quotes: true))\"" }.joined(separator: ","))}"
                }
                page += " \(number(sample.value))\n"
            }
        }
        return format == .openMetrics ? page + "# EOF\n" : page
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return "\(value)"
    }
}
