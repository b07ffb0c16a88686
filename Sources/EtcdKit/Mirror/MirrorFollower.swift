// SPDX-License-Identifier: Apache-2.0

/// Lists the entries of a range, and then keeps the list current by a watch, checks, and more lists if necessary.
struct MirrorFollower: Sendable {
    let client: EtcdClient
    let range: KeyRange
    let options: MirrorOptions
    let feed: MirrorFeed

    init(_ client: EtcdClient, _ range: KeyRange, _ options: MirrorOptions) throws(EtcdError) {
        if range.isEmpty { throw EtcdError(.invalidArgument, "the range to mirror is empty") }
        self.client = client
        self.range = range
        self.options = options
        feed = MirrorFeed(range, options)
    }

    /// Lists the entries and keeps them current until that fails for good, and returns the reason.
    func run() async -> EtcdError {
        do throws(EtcdError) {
            try await list(isPatient: options.initialWait != nil)
            while true {
                try await follow()
                let header = try await list(isPatient: true)
                client.core.channel.report(.watchResynced(range, at: header.revision))
            }
        } catch {
            // Only the first reason counts.
            feed.update { $0.ending = $0.ending ?? error }
            return error
        }
    }

    /// Waits for the first list, no longer than the options allow.
    ///
    /// - Throws: Why the mirror has ended.
    func waitUntilOpen() async throws(EtcdError) {
        let deadline = options.initialWait.map { ContinuousClock.now + $0.bounded }
        _ = try await feed.wait(until: deadline) { $0.state.isListed ? true : nil }
    }

    /// Lists the entries; repeatedly, if `isPatient`, while the cluster cannot be reached.
    @discardableResult
    private func list(isPatient: Bool) async throws(EtcdError) -> ResponseHeader {
        func attempt() async throws(EtcdError) -> ResponseHeader {
            let start = ContinuousClock.now
            let (entries, header) = try await client.content(of: range)
            feed.replace(with: entries, at: header, asOf: start)
            return header
        }
        return isPatient ? try await client.retryingWhileUnavailable(attempt) : try await attempt()
    }

    /// Keeps the list current until another is due.
    private func follow() async throws(EtcdError) {
        let revision = feed.read(\.state.applied.revision)
        let result = await withTaskGroup(of: Result<Void, EtcdError>.self) { group in
            group.addTask { await Self.result { () throws(EtcdError) in try await watch(from: revision.next) } }
            group.addTask { await Self.result { () throws(EtcdError) in try await check() } }
            group.addTask {
                await Self.result { () throws(EtcdError) in
                    _ = try await feed.wait { $0.isListDue ? true : nil }
                }
            }
            let first = await group.next()
            group.cancelAll()
            return first ?? .success(())
        }
        try result.get()
    }

    private static func result(_ body: () async throws(EtcdError) -> Void) async -> Result<Void, EtcdError> {
        do throws(EtcdError) { return .success(try await body()) } catch { return .failure(error) }
    }

    /// Applies the watch's changes until they have a gap, or do not fit.
    private func watch(from revision: Revision) async throws(EtcdError) {
        var batches = client.watch(range, from: revision).batches.makeAsyncIterator()
        do throws(EtcdError) {
            while let batch = try await batches.next(), feed.apply(batch) {}
        } catch {
            if error.code != .compacted { throw error }
        }
    }

    /// Checks regularly that the mirror is current; only this detects that the store was restored.
    private func check() async throws(EtcdError) {
        let interval = options.checkInterval.bounded
        // A list that took long leaves less time until the first check.
        var pause = interval - (feed.read(\.currentAsOf)?.duration(to: .now) ?? .zero)
        while true {
            // A cancelled pause is noticed by the next read.
            try? await Task.sleep(for: pause)
            let start = ContinuousClock.now
            do throws(EtcdError) {
                _ = try await consistentView()
                pause = max(interval, min(start.duration(to: .now), .seconds(3)) * 20)
                feed.update { $0.checkPause = pause }
            } catch {
                if !error.code.isTransient { throw error }
                // An unreachable server had no work, and should be checked soon after it is back. Otherwise the pause
                // grows, up to its maximum.
                let isSlow = error.code == .deadlineExceeded
                pause = isSlow ? max(interval, min(max(pause, .seconds(1)) * 2, .seconds(60))) : interval
            }
        }
    }

    // MARK: Consistent reads

    /// How long the watch may take before the server is asked whether there is anything for it.
    private static let grace = (first: Duration.milliseconds(25), last: Duration.seconds(1))

    /// A view that has all that was in the store when this was called.
    func consistentView() async throws(EtcdError) -> MirrorView {
        let deadline = ContinuousClock.now + client.timeout
        let start = ContinuousClock.now
        while true {
            let inquiry = feed.read(\.state.inquiry)
            let header = try await client.position(near: range)
            let verdict = feed.judge(askedAt: start) { $0.judge(header, inquiry) }
            if verdict == .behind {
                try await catchUp(with: header, inquiry, askedAt: start, until: deadline)
            } else if verdict == .restored || verdict == .unlisted {
                let isListed = try await feed.wait(until: deadline) { $0.state.isOf(inquiry) ? nil : true }
                if isListed == nil { throw EtcdError(.deadlineExceeded, "the entries were not listed in time") }
            }
            let view = feed.read { $0.state.isOf(inquiry) && $0.view.revision >= header.revision ? $0.view : nil }
            if let view { return view }
        }
    }

    /// Waits until the mirror has reached the revision of `header`, or was listed anew.
    private func catchUp(
        with header: ResponseHeader,
        _ first: MirrorState.Inquiry,
        askedAt start: ContinuousClock.Instant,
        until deadline: ContinuousClock.Instant
    ) async throws(EtcdError) {
        var grace = Self.grace.first
        var inquiry = first
        var isMissing = false
        while true {
            let hasArrived = try await feed.wait(until: min(deadline, .now + grace)) { content in
                let isOver = !content.state.isOf(first) || content.view.revision >= header.revision
                return isOver ? true : nil
            }
            if hasArrived != nil {
                _ = feed.judge(askedAt: start) { $0.judge(header, first) }
                return
            }
            if .now >= deadline {
                // The watch is silent although there is something for it: it is ahead of a restored store perhaps.
                if isMissing && feed.read(\.view.revision) == inquiry.revision {
                    feed.update { if $0.state.isOf(inquiry) { $0.isListDue = true } }
                }
                throw EtcdError(.deadlineExceeded, "the watch has not brought revision \(header.revision) in time")
            }
            inquiry = feed.read(\.state.inquiry)
            let answer = try await client.range(range, options: inquiry.question)
            isMissing = feed.judge(askedAt: start) { $0.judge(answer, inquiry) } == .behind
            grace = min(grace * 2, Self.grace.last)
        }
    }
}

extension EtcdClient {
    /// All entries in `range`, at one revision.
    package func list(_ range: KeyRange) async throws(EtcdError) -> MirrorView {
        let (entries, header) = try await content(of: range)
        return MirrorView(range: range, revision: header.revision, content: entries)
    }

    fileprivate func content(of range: KeyRange) async throws(EtcdError) -> (SortedEntries, ResponseHeader) {
        while true {
            let header = try await position(near: range)
            var settings = RangeOptions()
            settings.revision = header.revision
            do throws(EtcdError) {
                var content = SortedEntries()
                var entries = self.entries(in: range, options: settings).makeAsyncIterator()
                while let entry = try await entries.next() { content.put(entry) }
                return (content, header)
            } catch {
                // It was compacted meanwhile, or the store was restored from a backup that is older.
                if error.code != .compacted && error.code != .futureRevision { throw error }
            }
        }
    }

    /// The header with the newest revision of the store, by the cheapest linearizable read for a user who may read `range`.
    func position(near range: KeyRange) async throws(EtcdError) -> ResponseHeader {
        var options = RangeOptions()
        options.countOnly = true
        return try await self.range(.key(Key(bytes: range.start)), options: options).header
    }
}
