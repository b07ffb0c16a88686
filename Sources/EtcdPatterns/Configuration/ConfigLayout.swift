// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Where a configuration has its keys.
///
/// A value is under `<name>/<key>`, so that anybody can put it. The library's own keys begin with `<name>/.`:
///
/// - `<name>/.restore` is there while a large state that is in effect is not in the plain keys yet; see ``Restorer``.
/// - `<name>/.restore/<id>/<number>` are the pieces of such a state.
/// - `<name>/.deletion` is put with each deletion, which leaves nothing else that can be compared; its value is the key.
struct ConfigLayout: Sendable, Hashable {
    let name: Key

    init(_ name: Key) throws(EtcdError) {
        try name.checkName(of: "configuration")
        self.name = name
    }

    private var base: Key { name + "/" }

    /// All keys.
    var range: KeyRange { .prefix(base) }
    /// The note that a state is to be copied to the plain keys.
    var pointer: Key { base + ".restore" }
    /// Staged states, also those that were given up.
    var stages: Key { pointer + "/" }
    var deletion: Key { base + ".deletion" }
    /// All keys but the pointer and the staged states.
    var guarded: [KeyRange] {
        // A zero follows a slash.
        [.between(base, pointer), .between(pointer + "0", name + "0")]
    }

    /// The value that was changed last, or the trace of a deletion.
    func newestChange(in content: MirrorSnapshot) -> KeyValue? {
        content.filter { key($0.key) != nil || $0.key == deletion }.max { $0.modRevision < $1.modRevision }
    }

    /// The key in etcd of a key within the configuration.
    func full(_ key: Key) throws(ConfigError) -> Key {
        if key.bytes.isEmpty { throw ConfigError(.invalidKey, "the key is empty", key: key) }
        if key.hasPrefix(".") {
            throw ConfigError(.invalidKey, "\"\(key)\" begins with a dot, as only the library's own keys do", key: key)
        }
        return base + key
    }

    /// The key within the configuration of a key in etcd; nil for the library's own.
    func key(_ full: Key) -> Key? {
        guard full.hasPrefix(base) else { return nil }
        let key = Key(bytes: Array(full.bytes.dropFirst(base.bytes.count)))
        return key.bytes.isEmpty || key.hasPrefix(".") ? nil : key
    }
}
