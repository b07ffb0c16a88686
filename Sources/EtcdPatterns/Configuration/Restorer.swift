// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Replaces all values of a configuration at once, however many they are.
///
/// A small replacement is one transaction. A large state is written to keys of its own, in pieces, and takes effect by
/// one transaction that puts a pointer to it. Then it is copied to the plain keys, and the pointer is deleted: a redo
/// log. If the process is killed before the pointer is put, the old state stays. After that, the new state is in
/// effect, and the next change of the configuration completes the copying.
struct Restorer: Sendable {
    let client: EtcdClient
    let layout: ConfigLayout

    /// The limits of one transaction: a little less than etcd's default limits.
    private static let limit = (operations: ConfigLayout.maximumConditions, bytes: 1 << 20)

    // MARK: Reading

    /// The keys at one revision, after a pending copying is completed.
    ///
    /// The copying of configurations within this one is completed too, since it would change values later. A damaged state
    /// there is not copied; its readers report it.
    func settled() async throws -> MirrorView {
        var damaged: Set<Key> = []
        while true {
            let content = try await client.list(layout.range)
            if content[layout.pointer] != nil {
                try await finish(content)
            } else if let inner = layout.pendingInside(content).first(where: { !damaged.contains($0.name) }) {
                do {
                    _ = try await Restorer(client: client, layout: inner).settled()
                } catch let error as ConfigError where error.code == .damaged {
                    damaged.insert(inner.name)
                }
            } else {
                return content
            }
        }
    }

    // MARK: Replacing

    /// Replaces the configuration by `target` if it is still as in `content`.
    ///
    /// - Returns: The revision of the change, if it is known; nil if there was nothing to do.
    /// - Throws: ``ConfigError`` with the code `conflict` or `unfinished`; `EtcdError`, after which nothing has changed,
    ///   unless its code is `ambiguous`.
    func replace(_ content: MirrorView, with target: ConfigState) async throws -> Revision? {
        try await sweep(content)
        var old = ConfigView(content, layout).values()
        let isUnchanged = layout.isUnchanged(since: content)
        let puts = target.values.filter { old.removeValue(forKey: $0.key) != $0.value }
        if puts.isEmpty && old.isEmpty { return nil }
        var writes: [Key: Value?] = old.mapValues { _ in nil }
        for (key, value) in puts { writes[key] = value }
        let steps = try layout.operations(for: writes)
        let size = puts.reduce(0) { $0 + $1.key.bytes.count + layout.name.bytes.count + $1.value.bytes.count + 32 }
        if steps.count <= Self.limit.operations, size <= Self.limit.bytes {
            let response = try await client.transaction(if: isUnchanged, then: steps)
            if response.succeeded { return response.header.revision }
            throw conflict
        }
        return try await stage(target, if: isUnchanged)
    }

    private var conflict: ConfigError {
        ConfigError(.conflict, "another client has changed \"\(layout.name)\" meanwhile: nothing was done")
    }

    /// Deletes the states that others have staged and given up.
    ///
    /// A restoration that is still in progress has a conflict then.
    private func sweep(_ content: MirrorView) async throws(EtcdError) {
        let stages = KeyRange.prefix(layout.stages)
        if !content.contains(where: { stages.contains($0.key) }) { return }
        try await client.transaction(if: [.isMissing(layout.pointer)], then: [.delete(stages)])
    }

    /// Writes `target` to keys of its own, puts the pointer to it, and copies it.
    private func stage(_ target: ConfigState, if isUnchanged: [Compare]) async throws -> Revision? {
        let id = String(UInt64.random(in: .min ... .max), radix: 16)
        let folder = layout.stages
        var revision: Revision?
        do {
            let (stored, areThere) = try await StoredState.write(target.encoded, as: id, in: folder, client)
            // There is room for as many conditions for single keys as the pieces leave.
            let conditions = areThere + isUnchanged.prefix(max(3, ConfigLayout.maximumConditions - areThere.count))
            let response = try await client.transaction(
                if: conditions,
                then: [.put(layout.pointer, StoredJSON.encode(stored)), .put(layout.deletion, "")]
            )
            if !response.succeeded { throw conflict }
            revision = response.header.revision
        } catch {
            guard try await isInEffect(id, after: error) else { throw error }
        }
        do {
            _ = try await settled()
        } catch {
            let text = "\"\(layout.name)\" is restored for readers with this library, not yet in its plain keys"
            throw ConfigError(.unfinished, text, cause: error)
        }
        return revision
    }

    /// Finds out whether a staged state is in effect; if it is not, it cannot take effect later.
    private func isInEffect(_ id: String, after error: any Error) async throws -> Bool {
        let client = client
        let (pointer, pieces) = (layout.pointer, layout.stages + "\(id)/")
        // The deletion of its pieces keeps it from taking effect.
        let response = try? await withoutCancellation { () throws(EtcdError) in
            let deletion = TransactionOperation.delete(.prefix(pieces))
            return try await client.transaction(if: [.isMissing(pointer)], then: [deletion], else: [.get(pointer)])
        }
        // Without an answer, only the first error is known.
        guard let response else { return false }
        if let entry = response.results.first?.entries.first {
            return try StoredJSON.decode(entry, as: StoredState.self).id == id
        }
        guard case EtcdError.Code.ambiguous = error, case .delete(let deletion)? = response.results.first else {
            return false
        }
        // If the pieces were there, it was not in effect. If not, another client may have copied it, or given it up.
        if deletion.deleted > 0 { throw EtcdError(.unavailable, "nothing was restored", cause: error) }
        return false
    }

    // MARK: Copying

    /// Copies the state that is in effect to the plain keys, and deletes the pointer to it.
    ///
    /// Several clients may do so at once. Each step has the conditions that the pointer is the same, and that the key was not
    /// put after the pointer, by another copying or by a change.
    private func finish(_ first: MirrorView) async throws {
        var overlay = ConfigOverlay(layout: layout)
        var content = first
        let start = content[layout.pointer]?.modRevision
        while let (pointer, state) = try overlay.pending(in: content), pointer.modRevision == start {
            let isSame = Compare.Target.modRevision(layout.pointer) == pointer.modRevision
            var isCopied = true
            for batch in Self.batches(try copies(of: state, since: pointer.modRevision, to: content)) where isCopied {
                let conditions = [isSame] + batch.map(\.condition)
                isCopied = try await isDone(if: conditions, then: batch.map(\.operation))
            }
            let end = [TransactionOperation.delete(layout.pointer), .delete(.prefix(layout.stages))]
            if isCopied, try await isDone(if: [isSame], then: end) { return }
            content = try await client.list(layout.range)
        }
    }

    /// Makes a step; one with an unknown outcome counts as not done, since a repetition does no harm.
    private func isDone(if conditions: [Compare], then steps: [TransactionOperation]) async throws(EtcdError) -> Bool {
        do throws(EtcdError) {
            return try await client.transaction(if: conditions, then: steps).succeeded
        } catch {
            if error.code == .ambiguous { return false }
            throw error
        }
    }

    private struct Copy {
        let condition: Compare
        let operation: TransactionOperation
        let size: Int
    }

    /// The puts and deletions after which the plain keys are as the state in effect.
    private func copies(
        of state: ConfigState,
        since revision: Revision,
        to content: MirrorView
    ) throws(ConfigError) -> [Copy] {
        var copies: [Copy] = []
        var kept: Set<Key> = []
        for (key, value) in state.values {
            let full = try layout.full(key)
            kept.insert(full)
            if let present = content[full], present.modRevision > revision || present.value == value { continue }
            let size = full.bytes.count * 2 + value.bytes.count + 64
            let isOld = Compare.Target.modRevision(full) < revision.next
            copies.append(Copy(condition: isOld, operation: .put(full, value), size: size))
        }
        for entry in content where entry.modRevision <= revision && !kept.contains(entry.key) {
            guard layout.key(entry.key) != nil else { continue }
            let isOld = Compare.Target.modRevision(entry.key) < revision.next
            copies.append(Copy(condition: isOld, operation: .delete(entry.key), size: entry.key.bytes.count * 2 + 64))
        }
        return copies
    }

    private static func batches(_ copies: [Copy]) -> [ArraySlice<Copy>] {
        var batches: [ArraySlice<Copy>] = []
        var (start, size) = (0, 0)
        for (index, copy) in copies.enumerated() {
            if index > start, index - start == limit.operations || size + copy.size > limit.bytes {
                batches.append(copies[start..<index])
                (start, size) = (index, 0)
            }
            size += copy.size
        }
        if start < copies.count { batches.append(copies[start...]) }
        return batches
    }
}
