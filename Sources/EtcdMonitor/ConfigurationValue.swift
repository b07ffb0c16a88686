// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdMonitorKit

/// A value of the configuration file, with its place.
///
/// Each accessor refuses a value of another type, and names the place.
struct ConfigurationValue: Sendable {
    let json: JSONValue
    let file: ConfigurationFile
    /// The keys that lead to it, such as `alerts.channels.mail`; empty for the whole file.
    let path: String

    /// An error at this place.
    func error(_ reason: String) -> UsageError {
        UsageError(path.isEmpty ? "\(file.path): \(reason)" : "\(file.path): \(path): \(reason)")
    }

    /// The error for an unknown name at this place.
    func unknown(_ name: String, among known: some Collection<String>) -> UsageError {
        if known.count <= 12 { return error("\"\(name)\" is not one of \(known.sorted().joined(separator: ", "))") }
        guard let nearest = name.nearest(among: known) else { return error("\"\(name)\" is unknown") }
        return error("\"\(name)\" is unknown; did you mean \"\(nearest)\"?")
    }

    private func isNot(_ wanted: String) -> UsageError { error("it is \(json.kind), not \(wanted)") }

    // MARK: Texts

    /// A single value, in the form of a flag's value.
    func flagText() throws(UsageError) -> String {
        guard let text = json.flagText else { throw isNot("a single value") }
        return try expanded(text)
    }

    /// A text, with environment variables expanded.
    func anyText(_ wanted: String = "a text") throws(UsageError) -> String {
        guard case .text(let text) = json else { throw isNot(wanted) }
        return try expanded(text)
    }

    /// A text that is not empty.
    func text(_ wanted: String = "a text") throws(UsageError) -> String {
        let text = try anyText(wanted)
        if text.isEmpty { throw error("it is empty") }
        return text
    }

    /// Texts, at least one.
    func texts() throws(UsageError) -> [String] {
        let texts = try list().map { value throws(UsageError) in try value.text() }
        if texts.isEmpty { throw error("it is empty") }
        return texts
    }

    /// One of some names, converted to its value.
    func choice<Choice>(among choices: [String: Choice]) throws(UsageError) -> Choice {
        let name = try text()
        guard let choice = choices[name] else { throw unknown(name, among: choices.keys) }
        return choice
    }

    /// One of the cases of a type, by its name.
    func choice<Choice: CaseIterable & RawRepresentable<String>>(
        of _: Choice.Type = Choice.self
    ) throws(UsageError) -> Choice {
        try choice(among: Dictionary(Choice.allCases.map { ($0.rawValue, $0) }) { first, _ in first })
    }

    // MARK: Other values

    /// A duration, such as `5s`; also `0s`, unless there is a minimum.
    func time(atLeast least: String? = nil) throws(UsageError) -> Duration {
        let text = try text("a time, such as \"5s\"")
        let isZero = text.wholeMatch(of: /0(ms|s|m|h)/) != nil
        let time = try isZero ? .zero : duration(text)
        if let least, try time < duration(least) { throw error("\(text) is less than \(least)") }
        return time
    }

    private func duration(_ text: String) throws(UsageError) -> Duration {
        do throws(UsageError) {
            return try Duration(text: text)
        } catch {
            throw self.error("\(error)")
        }
    }

    func number() throws(UsageError) -> Double {
        guard case .number(let number) = json, number.isFinite else { throw isNot("a number") }
        return number
    }

    /// A port of a server.
    func port() throws(UsageError) -> UInt16 {
        guard let port = UInt16(exactly: try number()), port > 0 else { throw error("it is not a port (1 to 65535)") }
        return port
    }

    func flag() throws(UsageError) -> Bool {
        guard case .bool(let flag) = json else { throw isNot("true or false") }
        return flag
    }

    // MARK: Several values

    func list() throws(UsageError) -> [ConfigurationValue] {
        guard case .array(let values) = json else { throw isNot("an array") }
        return values.enumerated().map { ConfigurationValue(json: $1, file: file, path: "\(path)[\($0)]") }
    }

    /// The values of an object whose keys are user-defined names, in their order.
    func entries() throws(UsageError) -> [(name: String, value: ConfigurationValue)] {
        guard case .object(let values) = json else { throw isNot("an object") }
        return values.sorted { $0.key < $1.key }.map { ($0, child($0, $1)) }
    }

    /// Secrets by name; the name of a secret in a file ends with `File`.
    func secrets() throws(UsageError) -> [String: Secret] {
        var secrets: [String: Secret] = [:]
        for (key, value) in try entries() {
            // The header `X-File` is not a file for the header `X-`.
            let isFile = key.hasSuffix("File") && !key.hasSuffix("-File") && key != "File"
            let name = isFile ? String(key.dropLast(4)) : key
            let text = try value.text()
            if secrets.updateValue(isFile ? .file(text) : Secret(text), forKey: name) != nil {
                throw value.error("\"\(name)\" is given twice")
            }
        }
        return secrets
    }

    /// Reads the fields of an object, and refuses those that were not read.
    func object<Result>(
        _ read: (inout ConfigurationFields) throws(UsageError) -> Result
    ) throws(UsageError) -> Result {
        guard case .object(let values) = json else { throw isNot("an object") }
        var fields = ConfigurationFields(self, values)
        let result = try read(&fields)
        try fields.refuseOthers()
        return result
    }

    /// The value of a key.
    func child(_ key: String, _ json: JSONValue) -> ConfigurationValue {
        ConfigurationValue(json: json, file: file, path: path.isEmpty ? key : "\(path).\(key)")
    }

    // MARK: The environment

    /// Expands the environment variables in a text.
    private func expanded(_ text: String) throws(UsageError) -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "${") {
            if rest[..<start.lowerBound].last == "$" {
                result += rest[..<start.lowerBound].dropLast() + "${"
                rest = rest[start.upperBound...]
                continue
            }
            guard let end = rest[start.upperBound...].firstIndex(of: "}") else {
                throw error("\"${\" without \"}\"")
            }
            let name = String(rest[start.upperBound..<end])
            guard let value = file.environment[name] else {
                throw error("there is no environment variable \"\(name)\"")
            }
            result += rest[..<start.lowerBound] + value
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }
}
