// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import Foundation

/// A configuration file: JSON with the settings' names in camel case.
///
/// `${NAME}` in a text is the environment variable of that name, and `$${` stands for `${`.
struct ConfigurationFile {
    let path: String
    let environment: [String: String]

    /// Reads the file; all that it says has been found to be known, and is not judged yet.
    func layer() throws(UsageError) -> SettingsLayer {
        var layer = SettingsLayer()
        for (key, value) in try content().sorted(by: { $0.key < $1.key }) {
            guard key == "clusters" else {
                layer.assignments += try assignments(key, value, at: key) { _ in true }
                continue
            }
            guard case .object(let clusters) = value else { throw error(at: key, "it is \(value.kind), not an object") }
            for (name, value) in clusters.sorted(by: { $0.key < $1.key }) {
                layer.clusters[name] = try cluster(name, value)
            }
        }
        return layer
    }

    private func content() throws(UsageError) -> [String: JSONValue] {
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw UsageError("\(path): the file cannot be read")
        }
        do {
            guard case .object(let content) = try JSONDecoder().decode(JSONValue.self, from: data) else {
                throw UsageError("it is not a JSON object")
            }
            return content
        } catch {
            let reason =
                (error as? UsageError)?.description ?? Self.syntaxError(in: data) ?? JSONValue.reason(of: error)
            throw UsageError("\(path): \(reason)")
        }
    }

    /// The reason why a text is no JSON, with the line.
    private static func syntaxError(in data: Data) -> String? {
        do {
            _ = try JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed)
            return nil
        } catch {
            let text = (error as NSError).userInfo[NSDebugDescriptionErrorKey] as? String ?? "it is not JSON"
            guard let place = text.firstMatch(of: /\ around character (\d+)\.?/), let offset = Int(place.output.1)
            else {
                return text
            }
            let line = data.prefix(offset).count { $0 == UInt8(ascii: "\n") } + 1
            return text.replacing(place.output.0, with: " in line \(line)")
        }
    }

    private func cluster(_ name: String, _ value: JSONValue) throws(UsageError) -> [Assignment] {
        let path = "clusters.\(name)"
        guard ClusterSettings.isName(name) else {
            throw error(at: path, "a name has letters, digits, \"-\", \"_\" and \".\" only")
        }
        guard case .object(let settings) = value else { throw error(at: path, "it is \(value.kind), not an object") }
        guard settings["endpoints"] != nil else { throw error(at: path, "\"endpoints\" is missing") }
        var found: [Assignment] = []
        for (key, value) in settings.sorted(by: { $0.key < $1.key }) {
            found += try assignments(key, value, at: "\(path).\(key)") { $0.isPerCluster || $0.name == "endpoints" }
        }
        return found
    }

    /// The assignments of one key.
    private func assignments(
        _ key: String,
        _ value: JSONValue,
        at path: String,
        where isAllowed: (Setting) -> Bool
    ) throws(UsageError) -> [Assignment] {
        let found = Setting.all.first { $0.key == key || ($0.isSecret && "\($0.key)File" == key) }
        guard let setting = found, isAllowed(setting), setting.name != Setting.cluster.name else {
            throw error(at: path, "there is no such setting")
        }
        var texts: [String] = []
        switch (value, setting.kind) {
        case (.object, .object):
            guard let data = try? JSONEncoder().encode(value) else { throw error(at: path, "it cannot be read") }
            texts = [String(decoding: data, as: UTF8.self)]
        case (.array(let values), _) where setting.isList || setting.name == Setting.endpoints.name:
            for (index, value) in values.enumerated() { texts.append(try text(value, at: "\(path)[\(index)]")) }
            if !setting.isList { texts = [texts.joined(separator: ",")] }
        case (_, .object): throw error(at: path, "it is \(value.kind), not an object")
        default: texts = [try text(value, at: path)]
        }
        return try texts.map { text throws(UsageError) in
            let isFile = key != setting.key
            return try Settings.assignment(of: setting, text, isFile: isFile, at: "\(self.path): \(path)")
        }
    }

    private func text(_ value: JSONValue, at path: String) throws(UsageError) -> String {
        guard let text = value.flagText else { throw error(at: path, "it is \(value.kind), not a single value") }
        var result = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "${") {
            if rest[..<start.lowerBound].last == "$" {
                result += rest[..<start.lowerBound].dropLast() + "${"
                rest = rest[start.upperBound...]
                continue
            }
            guard let end = rest[start.upperBound...].firstIndex(of: "}") else {
                throw error(at: path, "\"${\" without \"}\"")
            }
            let name = String(rest[start.upperBound..<end])
            guard let value = environment[name] else {
                throw error(at: path, "there is no environment variable \"\(name)\"")
            }
            result += rest[..<start.lowerBound] + value
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }

    private func error(at path: String, _ reason: String) -> UsageError {
        UsageError("\(self.path): \(path): \(reason)")
    }
}

/// A file that holds one secret.
enum SecretFile {
    /// Reads the secret, without the end of its line.
    static func read(_ path: String) throws(UsageError) -> String {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw UsageError("\(path) cannot be read")
        }
        guard let text = String(data: data, encoding: .utf8) else { throw UsageError("\(path) is not a text") }
        let secret = text.trimmingCharacters(in: .newlines)
        if secret.isEmpty { throw UsageError("\(path) is empty") }
        return secret
    }
}
