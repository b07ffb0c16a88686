// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A decoded entry in the folder of a service: an instance, or a problem.
struct RegistryEntry: Sendable {
    let key: Key
    let content: Result<ServiceInstance, RegistryProblem>

    init(_ entry: KeyValue, of service: String, in folder: Key) {
        key = entry.key
        guard let id = Self.id(of: entry.key, in: folder).string else {
            content = .failure(RegistryProblem(key: entry.key, value: entry.value, reason: "its ID is not UTF-8"))
            return
        }
        do throws(RegistryProblem) {
            content = .success(try ServiceRecord(entry.value, under: entry.key, service: service, id: id).instance)
        } catch {
            content = .failure(error)
        }
    }

    /// The bytes of the ID of the instance under `key`: the rest of the key, as for Go's resolver.
    static func id(of key: Key, in folder: Key) -> Key { Key(bytes: Array(key.bytes.dropFirst(folder.bytes.count))) }
}
