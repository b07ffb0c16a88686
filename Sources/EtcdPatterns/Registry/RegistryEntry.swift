// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// An entry in the folder of a service, read.
struct RegistryEntry: Sendable {
    let key: Key
    let content: Result<ServiceInstance, RegistryProblem>

    init(_ entry: KeyValue, of service: String, in folder: Key) {
        key = entry.key
        guard let id = Self.id(of: entry.key, in: folder).string else {
            content = .failure(RegistryProblem(key: entry.key, value: entry.value, reason: "its id is not UTF-8"))
            return
        }
        do throws(RegistryProblem) {
            content = .success(try ServiceRecord(entry.value, under: entry.key, service: service, id: id).instance)
        } catch {
            content = .failure(error)
        }
    }

    /// The bytes of the id of the instance under `key`; every key in the folder is one, also for Go's resolver.
    static func id(of key: Key, in folder: Key) -> Key { Key(bytes: Array(key.bytes.dropFirst(folder.bytes.count))) }
}
