// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdMonitorKit
import Foundation

/// A JSON configuration file with the names of the settings in camel case.
///
/// In a string, `${NAME}` stands for the environment variable of that name, and `$${` for `${`.
struct ConfigurationFile: Sendable {
    let path: String
    let environment: [String: String]

    /// Reads the file.
    ///
    /// All its keys are known then, but their values are not checked yet.
    func layer() throws(UsageError) -> SettingsLayer {
        var layer = SettingsLayer()
        let content = ConfigurationValue(json: .object(try content()), file: self, path: "")
        for (key, value) in try content.entries() {
            switch key {
            case "clusters":
                for (name, value) in try value.entries() { layer.clusters[name] = try cluster(name, value) }
            case "alerts": layer.alerts = try AlertsConfiguration(value)
            case "apiAdminTokens": layer.adminTokens = try adminTokens(value)
            default:
                let others = ["alerts", "apiAdminTokens", "clusters"]
                layer.assignments += try assignments(key, value, others) { _ in true }
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

    /// The reason why a text is not JSON, with the line.
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

    private func cluster(_ name: String, _ value: ConfigurationValue) throws(UsageError) -> [Assignment] {
        guard ClusterSettings.isName(name) else {
            throw value.error("a name must consist of letters, digits, \"-\", \"_\" and \".\"")
        }
        let settings = try value.entries()
        guard settings.contains(where: { $0.name == "endpoints" }) else {
            throw value.error("\"endpoints\" is missing")
        }
        var found: [Assignment] = []
        for (key, value) in settings {
            found += try assignments(key, value) { $0.isPerCluster || $0.name == "endpoints" }
        }
        return found
    }

    /// The tokens of administrators, by name.
    private func adminTokens(_ value: ConfigurationValue) throws(UsageError) -> [String: Secret] {
        let tokens = try value.secrets()
        guard tokens.keys.allSatisfy(ClusterSettings.isName) else {
            throw value.error("a name must consist of letters, digits, \"-\", \"_\" and \".\"")
        }
        for (name, secret) in tokens.sorted(by: { $0.key < $1.key }) {
            try naming("\(path): \(value.path).\(name)") { _ = try Setting.token(secret.value()) }
        }
        return tokens
    }

    /// The assignments of one key; `others` are keys that are not settings.
    private func assignments(
        _ key: String,
        _ value: ConfigurationValue,
        _ others: [String] = [],
        where isAllowed: (Setting) -> Bool
    ) throws(UsageError) -> [Assignment] {
        let known = Setting.all.filter { isAllowed($0) && $0.name != Setting.cluster.name }
        guard let setting = known.first(where: { $0.key == key || ($0.isSecret && "\($0.key)File" == key) }) else {
            throw value.noSuchSetting(key, among: known.map(\.key) + others)
        }
        var texts: [String] = []
        switch (value.json, setting.kind) {
        case (.object, .object):
            guard let data = try? JSONEncoder().encode(value.json) else { throw value.error("it cannot be read") }
            texts = [String(decoding: data, as: UTF8.self)]
        case (.array, _) where setting.isList || setting.name == Setting.endpoints.name:
            texts = try value.list().map { value throws(UsageError) in try value.flagText() }
            if !setting.isList { texts = [texts.joined(separator: ",")] }
        case (_, .object): throw value.error("it is \(value.json.kind), not an object")
        default: texts = [try value.flagText()]
        }
        return try texts.map { text throws(UsageError) in
            let isFile = key != setting.key
            return try Settings.assignment(of: setting, text, isFile: isFile, at: "\(path): \(value.path)")
        }
    }
}
