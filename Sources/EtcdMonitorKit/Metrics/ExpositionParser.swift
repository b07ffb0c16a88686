// SPDX-License-Identifier: Apache-2.0

extension Exposition {
    /// Parses a page in the text format.
    ///
    /// OpenMetrics lines are accepted as well: exemplars are skipped, and types that the text format does not have
    /// become the closest type. Bytes that are not UTF-8 are replaced.
    ///
    /// - Parameters:
    ///   - text: The page.
    ///   - keeping: Whether a family with this name is kept. Of other families, only the names are parsed.
    /// - Throws: ``ExpositionError`` at the first line that is invalid, is longer than 64 KiB, is the 200,001st sample
    ///   or has more than 64 labels.
    init(
        parsing text: some Collection<UInt8>,
        keeping: (Substring) -> Bool = { _ in true }
    ) throws(ExpositionError) {
        var parser = ExpositionParser(page: Array(text))
        self.init(try parser.parse(keeping: keeping))
    }
}

/// Parses a page line by line.
struct ExpositionParser {
    static let maximumLineLength = 65_536
    static let maximumSamples = 200_000
    static let maximumLabels = 64

    private struct Group {
        var family: Exposition.Family
        var hasType = false
        let name: [UInt8]
        let isKept: Bool
    }

    private static let suffixes: [Exposition.Kind: [String]] = [
        .histogram: ["_bucket", "_sum", "_count", "_created", "_gsum", "_gcount"],
        .summary: ["_sum", "_count", "_created"],
    ]
    private static let suffixBytes = suffixes.mapValues { $0.map { Array($0.utf8) } }

    private var line: ExpositionLine
    private var groups: [Group] = []
    private var places: [String: Int] = [:]
    /// The group of the previous line, which is nearly always the group of the next one too.
    private var current: Int?
    private var sampleCount = 0
    /// The name of the previous sample.
    ///
    /// Most samples of a family share it, so it is reused.
    private var name = (bytes: [] as [UInt8], text: "")

    init(page: [UInt8]) {
        line = ExpositionLine(page: page)
    }

    mutating func parse(keeping: (Substring) -> Bool) throws(ExpositionError) -> [Exposition.Family] {
        while try line.advance() {
            line.skipBlanks()
            guard let first = line.peek else { continue }
            if first == UInt8(ascii: "#") {
                try comment(keeping)
            } else {
                try sample(keeping)
            }
        }
        return groups.filter(\.isKept).map(\.family)
    }

    // MARK: Comments

    private mutating func comment(_ keeping: (Substring) -> Bool) throws(ExpositionError) {
        _ = line.take("#")
        line.skipBlanks()
        let keyword = line.token()
        guard keyword.elementsEqual("HELP".utf8) || keyword.elementsEqual("TYPE".utf8) else { return }
        let isType = keyword.first == UInt8(ascii: "T")
        line.skipBlanks()
        guard let first = line.peek else { return }
        let name =
            first == UInt8(ascii: "\"") ? Array(try line.quoted().utf8) : Array(line.token())
        let place = matches(name[...], current, exactly: true) ?? makePlace(name, keeping)
        current = place
        guard groups[place].isKept || isType else { return }
        line.skipBlanks()
        if isType {
            guard !groups[place].hasType else { return }
            groups[place].hasType = true
            groups[place].family.kind = kind(line.token())
        } else if groups[place].family.help.isEmpty {
            groups[place].family.help = line.help()
        }
    }

    private func kind(_ word: ArraySlice<UInt8>) -> Exposition.Kind {
        let word = String(decoding: word, as: UTF8.self)
        return switch word {
        case "info", "stateset": .gauge
        case "gaugehistogram": .histogram
        default: Exposition.Kind(rawValue: word) ?? .untyped
        }
    }

    // MARK: Samples

    private mutating func sample(_ keeping: (Substring) -> Bool) throws(ExpositionError) {
        sampleCount += 1
        guard sampleCount <= Self.maximumSamples else { throw line.error("more than \(Self.maximumSamples) samples") }
        var name = try line.name()
        var labels: [String: String]?
        if name == nil { (name, labels) = try quotedName() }
        guard let name else { throw line.error("a sample without a name") }

        let place = matches(name, current, exactly: false) ?? place(of: name, keeping)
        current = place
        guard groups[place].isKept else { return }
        if labels == nil { labels = try self.labels() }
        let value = try value()
        if !self.name.bytes.elementsEqual(name) { self.name = (Array(name), String(decoding: name, as: UTF8.self)) }
        groups[place].family.samples.append(Exposition.Sample(self.name.text, labels ?? [:], value))
    }

    /// A quoted name within the braces, for names with other characters than letters, digits, `_` and `:`.
    private mutating func quotedName() throws(ExpositionError) -> (ArraySlice<UInt8>?, [String: String]) {
        guard line.take("{") else { throw line.error("missing name or brace") }
        line.skipBlanks()
        guard line.peek == UInt8(ascii: "\"") else { throw line.error("a sample without a name") }
        let name = Array(try line.quoted().utf8)[...]
        line.skipBlanks()
        guard line.take(",") || line.peek == UInt8(ascii: "}") else { throw line.error("missing comma") }
        return (name.isEmpty ? nil : name, try restOfLabels())
    }

    private mutating func labels() throws(ExpositionError) -> [String: String] {
        line.skipBlanks()
        return line.take("{") ? try restOfLabels() : [:]
    }

    private mutating func restOfLabels() throws(ExpositionError) -> [String: String] {
        var labels: [String: String] = [:]
        while true {
            line.skipBlanks()
            if line.take("}") { return labels }
            guard labels.count < Self.maximumLabels else {
                throw line.error("more than \(Self.maximumLabels) labels")
            }
            let name: String
            if line.peek == UInt8(ascii: "\"") {
                name = try line.quoted()
            } else if let bytes = try line.name() {
                name = String(decoding: bytes, as: UTF8.self)
            } else {
                throw line.error("missing name of a label")
            }
            line.skipBlanks()
            guard line.take("=") else { throw line.error("label \(name) has no value") }
            line.skipBlanks()
            guard labels.updateValue(try line.quoted(), forKey: name) == nil else {
                throw line.error("duplicate label \(name)")
            }
            line.skipBlanks()
            guard line.take(",") || line.peek == UInt8(ascii: "}") else { throw line.error("missing comma") }
        }
    }

    /// The value.
    ///
    /// The timestamp and the exemplar after it are skipped.
    private mutating func value() throws(ExpositionError) -> Double {
        line.skipBlanks()
        let value = try number("value")
        line.skipBlanks()
        guard let next = line.peek, next != UInt8(ascii: "#") else { return value }
        _ = try number("timestamp")
        line.skipBlanks()
        guard line.peek == nil || line.peek == UInt8(ascii: "#") else { throw line.error("unexpected text") }
        return value
    }

    private mutating func number(_ purpose: String) throws(ExpositionError) -> Double {
        let token = line.token()
        guard let number = Self.number(token) else {
            throw line.error("the \(purpose) is not a number: \(String(decoding: token.prefix(40), as: UTF8.self))")
        }
        return number
    }

    /// A number in Go's notation: decimal, with or without an exponent, `NaN` or `+Inf`.
    static func number(_ bytes: ArraySlice<UInt8>) -> Double? {
        let text = String(decoding: bytes, as: UTF8.self)
        let isDecimal = bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "e"), UInt8(ascii: "E"):
                true
            default: false
            }
        }
        if isDecimal { return Double(text) }
        return switch text.lowercased() {
        case "nan": .nan
        case "inf", "+inf", "infinity", "+infinity": .infinity
        case "-inf", "-infinity": -.infinity
        default: nil
        }
    }

    // MARK: Families

    /// The group, if the name belongs to it.
    private func matches(_ name: ArraySlice<UInt8>, _ place: Int?, exactly: Bool) -> Int? {
        guard let place else { return nil }
        let family = groups[place].name
        guard name.starts(with: family) else { return nil }
        if name.count == family.count { return place }
        guard !exactly, let suffixes = Self.suffixBytes[groups[place].family.kind] else { return nil }
        let rest = name.dropFirst(family.count)
        return suffixes.contains { $0.elementsEqual(rest) } ? place : nil
    }

    private mutating func place(of name: ArraySlice<UInt8>, _ keeping: (Substring) -> Bool) -> Int {
        let text = String(decoding: name, as: UTF8.self)
        if let place = places[text] { return place }
        for suffix in Self.suffixes[.histogram] ?? [] where text.hasSuffix(suffix) {
            let base = String(text.dropLast(suffix.count))
            if let place = matches(name, places[base], exactly: false) { return place }
        }
        return makePlace(Array(name), keeping)
    }

    private mutating func makePlace(_ name: [UInt8], _ keeping: (Substring) -> Bool) -> Int {
        let text = String(decoding: name, as: UTF8.self)
        if let place = places[text] { return place }
        groups.append(Group(family: Exposition.Family(text, .untyped), name: name, isKept: keeping(text[...])))
        places[text] = groups.count - 1
        return groups.count - 1
    }
}
