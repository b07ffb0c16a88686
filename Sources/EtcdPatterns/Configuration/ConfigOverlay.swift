// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Makes views of the keys in etcd, also while a large state is being copied to the plain keys.
///
/// While the pointer to such a state exists, the configuration is this state, overlaid with the plain keys that were put
/// after the pointer: the copies of the state itself, and changes by others. So the view is the same before the first copy
/// and after the last, and no reader sees a mix.
struct ConfigOverlay: Sendable {
    let layout: ConfigLayout
    /// The state that was read last, and its pointer.
    ///
    /// The whole pointer is compared, since in a restored store another pointer may have the same revision.
    private var staged: (pointer: KeyValue, state: ConfigState)?

    init(_ layout: ConfigLayout) { self.layout = layout }

    /// The pointer in `content`, and the state that it refers to; nil if there is none.
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
    mutating func view(of content: MirrorView) throws(ConfigError) -> ConfigView {
        guard let (pointer, state) = try pending(in: content) else { return ConfigView(content, layout) }
        let newer = content.filter { $0.modRevision > pointer.modRevision && layout.key($0.key) != nil }
        let old = layout.entries(of: state, at: pointer.modRevision)
        let entries = MirrorView(range: layout.range, revision: content.revision, entries: old + newer)
        return ConfigView(entries, layout)
    }
}
