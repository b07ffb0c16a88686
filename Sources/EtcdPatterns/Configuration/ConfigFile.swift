// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// The last good state of a configuration on disk: a line with a sum, a line of JSON, and the state.
struct ConfigFile: Sendable {
    let options: ConfigOptions.File
    let layout: ConfigLayout

    /// The description of the state in the file.
    private struct Header: Codable {
        var format = "etcd-kit configuration 1"
        let name: String
        /// The cluster of the state.
        let cluster: String
        let revision: Int64
        /// The seconds since 1970 at which the state was certainly current, by the system's clock, since another run compares
        /// it, perhaps after a restart of the machine.
        let asOf: Double
    }

    struct Content: Sendable {
        let view: ConfigView
        let clusterID: UInt64
    }

    var exists: Bool { FileManager.default.fileExists(atPath: options.path) }

    /// Writes a state that was certainly current `age` ago, in whole or not at all.
    @concurrent
    func save(_ view: ConfigView, of clusterID: UInt64, age: Duration) async throws(EtcdError) {
        let header = Header(
            name: layout.name.description,
            cluster: String(clusterID, radix: 16),
            revision: view.revision.rawValue,
            asOf: Date.now.timeIntervalSince1970 - age / .seconds(1)
        )
        let body = StoredJSON.encode(header).bytes + [UInt8(ascii: "\n")] + ConfigState(view).encoded
        try SnapshotFile.replace(options.path, with: Array("\(ConfigState.sum(body))\n".utf8) + body)
    }

    /// Reads the state, if it is sound and not too old.
    @concurrent
    func load() async throws(ConfigError) -> Content {
        let bytes: [UInt8]
        do {
            bytes = Array(try Data(contentsOf: URL(fileURLWithPath: options.path)))
        } catch {
            throw ConfigError(.damaged, "the file \(options.path) cannot be read", cause: error)
        }
        let lines = bytes.split(separator: UInt8(ascii: "\n"), maxSplits: 1, omittingEmptySubsequences: false)
        guard lines.count == 2, lines[0].elementsEqual(ConfigState.sum(Array(lines[1])).utf8) else {
            throw ConfigError(.damaged, "the file \(options.path) does not have its checksum")
        }
        let parts = lines[1].split(separator: UInt8(ascii: "\n"), maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let header = try? JSONDecoder().decode(Header.self, from: Data(parts[0])),
            header.format == "etcd-kit configuration 1", let clusterID = UInt64(header.cluster, radix: 16)
        else { throw ConfigError(.damaged, "the file \(options.path) is of another kind") }
        if header.name != layout.name.description {
            throw ConfigError(.damaged, "the file \(options.path) is of the configuration \"\(header.name)\"")
        }
        let age = Duration.seconds(max(0, min(Date.now.timeIntervalSince1970 - header.asOf, 1e9)))
        if let maximumAge = options.maximumAge, age > maximumAge {
            throw ConfigError(.tooOld, "the file \(options.path) is \(age) old, more than \(maximumAge)")
        }
        let state = try ConfigState(decoding: Array(parts[1]))
        let revision = Revision(rawValue: header.revision)
        let view = ConfigView(state, at: revision, layout, isFromFile: true)
        return Content(view: view, clusterID: clusterID)
    }
}
