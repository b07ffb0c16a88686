// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The flags in a mirror at one moment, whose definitions are read when they are needed.
///
/// To make one costs nothing, whatever the number of flags and changes.
struct StoredFlags: Sendable {
    let entries: MirrorView
    let version: MirrorVersion
    /// The beginning of the keys of the flags.
    let prefix: Key
    let cache: FlagCache

    /// Whether the flags were read from etcd.
    var isListed: Bool { entries.revision > 0 }

    /// The name of the flag under `key`; nil if it is no text.
    func name(of key: Key) -> String? { Key(bytes: Array(key.bytes.dropFirst(prefix.bytes.count))).string }

    /// The definition of a flag; nil if there is none.
    func definition(of name: String) -> FlagDefinition? {
        cache.definition(under: prefix + Key(name), name, in: self)
    }

    /// The error of the prerequisites of a flag.
    func prerequisiteError(of name: String) -> FlagError? {
        cache.prerequisiteError(under: prefix + Key(name), name, in: self)
    }

    /// All flags, in the order of their keys, each with its error.
    var all: [(name: String, definition: FlagDefinition, error: FlagError?)] {
        entries.compactMap { entry in
            guard let name = name(of: entry.key) else {
                let name = entry.key.flagName(under: prefix)
                let error = FlagError(name, .invalidDefinition, "its name is not text in UTF-8")
                return (name, .faulty(error), error)
            }
            return definition(of: name).map { (name, $0, prerequisiteError(of: name) ?? $0.error) }
        }
    }
}

/// The definitions that were read last, each once, by the first evaluation that has needed it.
///
/// The lock is held only for a look into a dictionary. Definitions are read outside of it, perhaps by several readers.
final class FlagCache: Sendable {
    private struct Entry {
        let source: KeyValue
        let definition: FlagDefinition
        /// The newest version of the mirror that is known to have the source.
        var version: MirrorVersion
        /// The error of the prerequisites, in the version in which they were checked.
        var prerequisites: (version: MirrorVersion, error: FlagError?)?
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        var readCount = 0
    }

    private let state = Lock(State())

    /// The number of definitions that were read.
    var readCount: Int { state.withLock { $0.readCount } }
    /// The number of definitions that are kept.
    var count: Int { state.withLock { $0.entries.count } }

    fileprivate func definition(under key: Key, _ name: String, in flags: StoredFlags) -> FlagDefinition? {
        let known = state.withLock { $0.entries[key] }
        if let known, known.version == flags.version { return known.definition }
        guard let source = flags.entries[key] else { return nil }
        if let known, known.source == source {
            state.withLock { state in
                guard let entry = state.entries[key], entry.version < flags.version, entry.source == source else {
                    return
                }
                state.entries[key]?.version = flags.version
            }
            return known.definition
        }
        let definition = FlagDefinition(source.value, name: name)
        store(Entry(source: source, definition: definition, version: flags.version), under: key, in: flags)
        return definition
    }

    private func store(_ entry: Entry, under key: Key, in flags: StoredFlags) {
        // Dropped values are freed outside the lock.
        _ = state.withLock { state -> [Key: Entry] in
            state.readCount += 1
            if let present = state.entries[key], entry.version < present.version { return [:] }
            var dropped: [Key: Entry] = [:]
            // Most entries are of flags that are gone.
            if state.entries.count > 2 * flags.entries.count + 100 { swap(&dropped, &state.entries) }
            state.entries[key] = entry
            return dropped
        }
    }

    fileprivate func prerequisiteError(under key: Key, _ name: String, in flags: StoredFlags) -> FlagError? {
        let known = state.withLock { $0.entries[key]?.prerequisites }
        if let known, known.version == flags.version { return known.error }
        let error = PrerequisiteCheck.error(of: name) { flags.definition(of: $0)?.prerequisites }
        state.withLock { state in
            if let present = state.entries[key]?.prerequisites, flags.version < present.version { return }
            state.entries[key]?.prerequisites = (flags.version, error)
        }
        return error
    }
}
