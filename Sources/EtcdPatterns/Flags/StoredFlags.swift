// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The flags in a mirror at one moment, whose definitions are read when they are needed.
///
/// Making one costs nothing, whatever the number of flags and changes.
struct StoredFlags: Sendable {
    let entries: MirrorView
    let version: MirrorVersion
    /// The beginning of the keys of the flags.
    let prefix: Key
    let cache: FlagCache

    /// The definition of a flag; nil if there is none.
    func definition(of name: String) -> FlagDefinition? {
        let key = prefix + Key(name)
        let known = cache.state.withLock { $0.entries[key] }
        if let known, known.version == version { return known.definition }
        guard let source = entries[key] else { return nil }
        if let known, known.source == source {
            cache.state.withLock { state in
                guard let entry = state.entries[key], entry.version < version, entry.source == source else { return }
                state.entries[key]?.version = version
            }
            return known.definition
        }
        let definition = FlagDefinition(source.value, name: name)
        let entry = FlagCache.Entry(source: source, definition: definition, version: version)
        cache.store(entry, under: key, limit: 2 * entries.count + 100)
        return definition
    }

    /// The error of the prerequisites of a flag.
    func prerequisiteError(of name: String) -> FlagError? {
        let key = prefix + Key(name)
        let known = cache.state.withLock { $0.entries[key]?.prerequisites }
        if let known, known.version == version { return known.error }
        let error = PrerequisiteCheck.error(of: name) { definition(of: $0)?.prerequisites }
        cache.state.withLock { state in
            if let present = state.entries[key]?.prerequisites, version < present.version { return }
            state.entries[key]?.prerequisites = (version, error)
        }
        return error
    }

    /// All flags, in the order of their keys, each with its error.
    var all: [(name: String, definition: FlagDefinition, error: FlagError?)] {
        entries.compactMap { entry in
            let key = entry.key.dropping(prefix)
            guard let name = key.string else {
                let error = FlagError(key.description, .invalidDefinition, "its name is not text in UTF-8")
                return (error.flag, .failure(error), error)
            }
            return definition(of: name).map { (name, $0, prerequisiteError(of: name) ?? $0.error) }
        }
    }
}

/// The definitions that were read last, each once, by the first evaluation that has needed it.
///
/// The lock is held only for a dictionary lookup. Definitions are read outside of it, perhaps by several readers.
final class FlagCache: Sendable {
    fileprivate struct Entry {
        let source: KeyValue
        let definition: FlagDefinition
        /// The newest version of the mirror that is known to have the source.
        var version: MirrorVersion
        /// The error of the prerequisites, in the version in which they were checked.
        var prerequisites: (version: MirrorVersion, error: FlagError?)?
    }

    fileprivate struct State {
        var entries: [Key: Entry] = [:]
        var readCount = 0
    }

    fileprivate let state = Lock(State())

    /// The number of definitions that were read.
    var readCount: Int { state.withLock { $0.readCount } }
    /// The number of definitions that are kept.
    var count: Int { state.withLock { $0.entries.count } }

    /// Keeps an entry, and drops the others if there are more than `limit`, since most are of flags that are gone.
    fileprivate func store(_ entry: Entry, under key: Key, limit: Int) {
        // Dropped values are freed outside the lock.
        _ = state.withLock { state -> [Key: Entry] in
            state.readCount += 1
            if let present = state.entries[key], entry.version < present.version { return [:] }
            var dropped: [Key: Entry] = [:]
            if state.entries.count > limit { swap(&dropped, &state.entries) }
            state.entries[key] = entry
            return dropped
        }
    }
}
