// SPDX-License-Identifier: Apache-2.0

/// The entries of a mirror, and the rules by which answers of etcd change them: a value without clock and I/O.
///
/// It guarantees that ``view`` has the entries of the store at its revision. It does not use
/// ``WatchOptions/CompactionPolicy/resync`` of watches, because it has the entries to find a difference anyway, and
/// because it also needs the difference after a restore, which a watch does not notice.
struct MirrorState {
    /// The state of the mirror when it asked the store something.
    struct Inquiry {
        fileprivate let list: Int
        fileprivate let edition: Int
        fileprivate let term: UInt64
        let revision: Revision
        fileprivate let count: Int
        /// The entries of the newest put, as far as they are still there.
        fileprivate let newest: [KeyValue]
        fileprivate let newestRevision: Revision

        /// Reads the entries that are as new as the newest ones, or newer.
        var question: RangeOptions {
            var options = RangeOptions()
            options.minModRevision = newestRevision
            options.keysOnly = true
            options.limit = newest.count + 1
            return options
        }
    }

    /// The meaning of an answer to an inquiry.
    enum Verdict: Equatable {
        /// The mirror has everything that was in the store at the time of the inquiry.
        case current
        /// There may be changes that the mirror has not seen.
        case behind
        /// The store was restored from a backup.
        case restored
        /// The mirror was listed again meanwhile, so the answer says nothing about it.
        case outdated
        /// The entries were not listed yet.
        case unlisted
    }

    /// The entries at the newest revision at which they are known, for readers.
    private(set) var view: MirrorView
    /// The entries of the last list with all changes since.
    ///
    /// It is behind the view when an answer has proved that the entries are the same at a later revision. Changes in
    /// between, which have cancelled each other out, may still come.
    private(set) var applied: MirrorView
    /// How often changes have made another view.
    private var edition = 0
    /// How often the entries were listed.
    private(set) var list = 0
    private var term: UInt64 = 0
    /// The revision of the newest put, and its keys.
    private var newest: (revision: Revision, keys: [Key]) = (0, [])

    /// The state before the first list.
    init(_ range: KeyRange) {
        view = MirrorView(range: range, revision: 0, content: SortedEntries())
        applied = view
    }

    /// There was a list, so that the view is one of the store.
    var isListed: Bool { list > 0 }

    /// Takes over a list that was read at the revision of `header`.
    @discardableResult
    mutating func replace(with entries: SortedEntries, at header: ResponseHeader) -> MirrorChange {
        let change = MirrorChange(from: applied.content, to: entries, at: header.revision)
        view = MirrorView(range: view.range, revision: header.revision, content: entries)
        applied = view
        term = header.raftTerm
        newest = Self.newest(of: entries)
        list += 1
        return change
    }

    private static func newest(of entries: SortedEntries) -> (Revision, [Key]) {
        var newest: (revision: Revision, keys: [Key]) = (0, [])
        for entry in entries where entry.modRevision >= newest.revision {
            if entry.modRevision > newest.revision { newest = (entry.modRevision, []) }
            newest.keys.append(entry.key)
        }
        return newest
    }

    /// Applies all changes of one revision.
    ///
    /// - Returns: Nil if they cannot follow the present state; then nothing was changed.
    mutating func apply(_ batch: WatchBatch) -> MirrorChange? {
        guard batch.revision > applied.revision, batch.events.allSatisfy(follows) else { return nil }
        let isNewer = batch.revision > view.revision
        // All changes up to the view are here now, so they must have cancelled each other out.
        if isNewer && applied.count != view.count { return nil }
        var content = applied.content
        // Drops the other references to the entries, which would otherwise be copied.
        let empty = MirrorView(range: view.range, revision: batch.revision, content: SortedEntries())
        applied = empty
        if isNewer { view = empty }
        var deletions: [KeyValue] = []
        var puts: [MirrorChange.Put] = []
        for event in batch.events {
            switch event.kind {
            case .put: puts.append(MirrorChange.Put(entry: event.entry, previous: content.put(event.entry)))
            case .delete: if let entry = content.remove(event.key) { deletions.append(entry) }
            }
        }
        applied = MirrorView(range: view.range, revision: batch.revision, content: content)
        if isNewer {
            view = applied
            edition += 1
            if !puts.isEmpty { newest = (batch.revision, puts.map(\.entry.key)) }
        }
        return MirrorChange(revision: batch.revision, deletions: deletions, puts: puts, isDifference: false)
    }

    /// Whether an event can be the next of its key; if not, it belongs to another history.
    private func follows(_ event: WatchEvent) -> Bool {
        let present = applied.content[event.key]
        switch event.kind {
        case .delete: return present != nil
        case .put where event.isCreation: return present == nil
        case .put:
            // A server may send any number.
            return present?.createRevision == event.entry.createRevision
                && present?.version == event.entry.version.subtractingReportingOverflow(1).partialValue
        }
    }

    // MARK: Inquiries

    /// The inquiry for an answer that is requested now.
    var inquiry: Inquiry {
        Inquiry(
            list: list,
            edition: edition,
            term: term,
            revision: view.revision,
            count: view.count,
            newest: newest.keys.compactMap { view[$0] }.filter { $0.modRevision == newest.revision },
            newestRevision: newest.revision
        )
    }

    /// Whether the mirror still has the entries of the list that the inquiry was made of.
    func isOf(_ inquiry: Inquiry) -> Bool { list == inquiry.list }

    /// Judges by the header of a linearizable read.
    ///
    /// Neither a store's revision nor its term of Raft is ever lower than before, unless it was restored.
    mutating func judge(_ header: ResponseHeader, _ inquiry: Inquiry) -> Verdict {
        guard isOf(inquiry) else { return .outdated }
        guard isListed else { return .unlisted }
        if header.revision < inquiry.revision || header.raftTerm < inquiry.term { return .restored }
        term = max(term, header.raftTerm)
        return view.revision >= header.revision ? .current : .behind
    }

    /// Judges by the answer to the inquiry's question, a linearizable read.
    ///
    /// If there is no newer entry than at the inquiry's revision, all entries in the store existed then as they are. If
    /// they are as many as there were then, none was deleted either: the entries at the inquiry are those at the
    /// answer's revision. Changes that were applied in between do not matter. This holds for every version of etcd,
    /// whereas progress notifications may overtake events before 3.4.25 and 3.5.8.
    ///
    /// The answer includes the newest known entries, to prove that they exist: a restored store does not have them, or
    /// has others at their revisions, even if its revision has risen beyond the mirror's again.
    mutating func judge(_ answer: RangeResponse, _ inquiry: Inquiry) -> Verdict {
        let verdict = judge(answer.header, inquiry)
        guard verdict == .behind else { return verdict }
        let known = inquiry.newest.map(Self.identity)
        let found = answer.entries.map(Self.identity)
        if zip(answer.entries, found).contains(where: { $0.modRevision <= inquiry.revision && !known.contains($1) }) {
            return .restored
        }
        if answer.entries.contains(where: { $0.modRevision > inquiry.revision }) { return .behind }
        // Nothing is newer, so what is missing was deleted, and nothing has taken its place.
        let missing = known.count - found.count
        if answer.count > inquiry.count - missing { return .restored }
        guard answer.count == inquiry.count, inquiry.edition == edition else { return .behind }
        let revision = max(view.revision, answer.header.revision)
        view = MirrorView(range: view.range, revision: revision, content: view.content)
        return .current
    }

    /// The entry without what an answer of keys only leaves out: etcd 3.7 leaves the lease out, too.
    private static func identity(_ entry: KeyValue) -> KeyValue {
        var identity = entry
        identity.value = Value(bytes: [])
        identity.leaseID = 0
        return identity
    }
}
