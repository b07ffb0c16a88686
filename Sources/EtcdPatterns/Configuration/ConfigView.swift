// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// What the keys in etcd say: the plain keys, or the state that is being copied to them.
///
/// While the pointer is there, what counts is its state, and over it the plain keys that were put after it: the copies of
/// the state itself, and what others have put since. So the same holds before the first copy and after the last, and no
/// reader ever sees a mix.
struct ConfigView: Sendable {
    let layout: ConfigLayout
    /// The state that was read last, and its pointer; in a store that was restored, another may have its revision.
    private var staged: (pointer: KeyValue, state: ConfigState)?

    init(_ layout: ConfigLayout) { self.layout = layout }

    /// The state that the pointer in `content` refers to, and the pointer; nil if there is none.
    mutating func pending(in content: MirrorView) throws(ConfigError) -> (pointer: KeyValue, state: ConfigState)? {
        guard let pointer = content[layout.pointer] else {
            staged = nil
            return nil
        }
        if let staged, staged.pointer == pointer { return (pointer, staged.state) }
        let stored = try StoredJSON.decode(pointer, as: StoredState.self)
        let state = try stored.read(in: layout.stages) { content[$0]?.value }
        staged = (pointer, state)
        return (pointer, state)
    }

    /// The configuration in `content`.
    mutating func snapshot(of content: MirrorView) throws(ConfigError) -> ConfigSnapshot {
        guard let (pointer, state) = try pending(in: content) else { return ConfigSnapshot(content, layout) }
        let newer = content.filter { $0.modRevision > pointer.modRevision && layout.key($0.key) != nil }
        let old = state.values.compactMap { key, value -> KeyValue? in
            (try? layout.full(key)).map { KeyValue($0, value, at: pointer.modRevision) }
        }
        let entries = MirrorView(range: layout.range, revision: content.revision, entries: old + newer)
        return ConfigSnapshot(entries, layout)
    }
}
