// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

// The run stays within its prefix, which is empty before and after it, and does not fill the databases.
extension BenchmarkRun {
    /// The state of the cluster when the prefix was claimed.
    struct Admission: Sendable {
        /// The newest revision before the run.
        let revision: Revision
        let servers: [BenchmarkResult.Server]
    }

    /// The share of a quota that the run leaves free.
    private static let reserve = 0.2

    // MARK: Before

    /// Claims the prefix, unless it has keys.
    func admit() async throws -> Admission {
        progress.begin(ProgressReporter.Phase(phase: .checking))
        let answers = await statuses()
        if case .failure(let error)? = answers.first?.status, !answers.contains(where: \.isAnswered) {
            throw Self.explain(error, isFirst: true)
        }
        try await check(answers)
        let servers = answers.map { answer in
            let status = try? answer.status.get()
            return BenchmarkResult.Server(
                endpoint: answer.endpoint.description,
                version: status?.version,
                databaseSize: status?.databaseSize
            )
        }
        let response: TransactionResponse
        do throws(EtcdError) {
            // One transaction, so that only one of two runs on the same prefix begins.
            response = try await observer.transaction(
                if: [.version(in: .prefix(keys.prefix)) == 0],
                then: [.put(keys.marker, Value(id))],
                else: [.range(.prefix(keys.prefix), options: .count)]
            )
        } catch {
            if error.code.mayHaveTakenEffect { await Task { await self.withdraw() }.value }
            throw Self.explain(error, isFirst: true)
        }
        guard response.succeeded else {
            var count = "keys"
            if case .range(let answer)? = response.results.first {
                count = answer.count == 1 ? "a key" : "\(answer.count) keys"
            }
            throw BenchmarkError(
                .prefixNotEmpty,
                "there \(count == "a key" ? "is" : "are") \(count) below \(keys.prefix), of another run or other data;"
                    + " choose another prefix, or delete them"
            )
        }
        return Admission(revision: response.header.revision.previous, servers: servers)
    }

    /// Deletes the marker if it is ours, when it is unknown whether it was put.
    private func withdraw() async {
        _ = try? await observer.transaction(if: [.value(keys.marker) == Value(id)], then: [.delete(keys.marker)])
    }

    /// The status of a member.
    private struct Answer: Sendable {
        let endpoint: Endpoint
        let status: Result<MemberStatus, EtcdError>

        var isAnswered: Bool { if case .success = status { true } else { false } }
    }

    private func statuses() async -> [Answer] {
        await withTaskGroup(of: Answer.self) { group in
            for endpoint in configuration.endpoints { group.addTask { await self.status(of: endpoint) } }
            var answers: [Endpoint: Answer] = [:]
            for await answer in group { answers[answer.endpoint] = answer }
            return configuration.endpoints.compactMap { answers[$0] }
        }
    }

    private func status(of endpoint: Endpoint) async -> Answer {
        do throws(EtcdError) {
            return Answer(endpoint: endpoint, status: .success(try await observer.maintenance.status(of: endpoint)))
        } catch {
            return Answer(endpoint: endpoint, status: .failure(error))
        }
    }

    // MARK: During the run

    /// Checks the databases every second until the task is cancelled.
    ///
    /// - Throws: ``BenchmarkError`` when one is nearly full.
    func guardDatabases() async throws(BenchmarkError) {
        while !Task.isCancelled {
            await Task.pause(for: .seconds(1))
            try await check(await statuses())
        }
    }

    /// Members that do not answer, or not to this user, are skipped.
    private func check(_ answers: [Answer]) async throws(BenchmarkError) {
        for answer in answers {
            guard case .success(let status) = answer.status else { continue }
            let quota = status.databaseQuota > 0 ? status.databaseQuota : options.quota
            guard quota > 0, Double(status.databaseSize) >= Double(quota) * (1 - Self.reserve) else { continue }
            let share = Int(Double(status.databaseSize) / Double(quota) * 100)
            throw BenchmarkError(
                .nearQuota,
                "the database of \(answer.endpoint) has \(status.databaseSize) bytes, \(share) % of its quota of \(quota);"
                    + " compact and defragment it, or set the quota if the member has another one"
            )
        }
        let alarms = (try? await observer.maintenance.alarms()) ?? []
        if alarms.contains(where: { $0.kind == .noSpace }) { throw Self.noSpace(nil) }
    }

    // MARK: After

    /// The state of the cluster after the run.
    struct Ending: Sendable {
        /// The newest revision.
        var revision: Revision?
        /// The largest database of a member, in bytes.
        var databaseSize: Int64?
        /// The reason why keys or leases may be left.
        var failure: String?
    }

    /// Deletes all keys of the run, and revokes its leases.
    ///
    /// Writes of an interrupted run may be done later, so it looks again until there have been no keys for a second, and
    /// then revokes the leases that it had not found.
    func cleanUp(within limit: Duration, isCutShort: Bool) async -> Ending {
        progress.begin(ProgressReporter.Phase(phase: .cleaning))
        let deadline = ContinuousClock.now + limit
        await revokeLeases(until: deadline)
        var ending = Ending()
        do throws(EtcdError) {
            let all = KeyRange.between(keys.start, keys.end)
            _ = try await deleteAll(in: all, until: deadline)
            var emptyLooks = 0
            while isCutShort, emptyLooks < 5 {
                await Task.pause(for: .milliseconds(200))
                emptyLooks = try await deleteAll(in: all, until: deadline).hasFoundKeys ? 0 : emptyLooks + 1
            }
            await revokeLeases(until: deadline)
            // The marker is deleted last, so that no other run claims the prefix before it is empty.
            ending.revision = try await deleteAll(in: .key(keys.marker), until: deadline).revision
        } catch {
            ending.failure = "keys below \(keys.prefix) may be left: \(error.message)"
        }
        ending.databaseSize = await statuses().compactMap { try? $0.status.get().databaseSize }.max()
        return ending
    }

    /// Deletes in batches, because the deletion of a million keys at once blocks a member.
    private func deleteAll(
        in range: KeyRange,
        until deadline: ContinuousClock.Instant
    ) async throws(EtcdError) -> (revision: Revision, hasFoundKeys: Bool) {
        var options = RangeOptions()
        options.keysOnly = true
        // The keys of a page take at most a megabyte.
        options.limit = max(1, min(1000, (1 << 20) / (keys.prefix.bytes.count + self.options.keySize)))
        var hasFoundKeys = false
        while true {
            let client = observer.with(timeout: min(deadline - .now, .seconds(5)))
            let page = try await client.range(range, options: options)
            guard let first = page.entries.first, let last = page.entries.last else {
                return (page.header.revision, hasFoundKeys)
            }
            hasFoundKeys = true
            let answer = try await client.delete(.between(first.key, last.key + Key(bytes: [0])))
            if !page.more { return (answer.header.revision, true) }
        }
    }

    /// Revokes the leases that are not revoked yet; those that cannot be revoked in time expire.
    private func revokeLeases(until deadline: ContinuousClock.Instant) async {
        let all = Array(leases.withLock { $0 })
        guard !all.isEmpty else { return }
        let workers = min(all.count, 64)
        await withDiscardingTaskGroup { group in
            for worker in 0..<workers {
                group.addTask { [clients] in
                    for index in stride(from: worker, to: all.count, by: workers) where deadline > .now {
                        let client = clients[index % clients.count].with(timeout: min(.seconds(2), deadline - .now))
                        if (try? await client.leases.revoke(all[index])) != nil {
                            self.leases.withLock { _ = $0.remove(all[index]) }
                        }
                    }
                }
            }
        }
    }

    // MARK: Errors

    static func noSpace(_ cause: EtcdError?) -> BenchmarkError {
        BenchmarkError(
            .noSpace,
            "a member has raised the alarm NOSPACE: its database has reached its quota",
            cause: cause
        )
    }

    /// Converts an error of the client to an error of the benchmark.
    static func explain(_ error: any Error, isFirst: Bool = false) -> BenchmarkError {
        guard let error = error as? EtcdError else {
            if let error = error as? BenchmarkError { return error }
            if error is CancellationError { return BenchmarkError(.cancelled, "the benchmark was cancelled") }
            if error is BenchmarkStalled { return BenchmarkError(.unreachable, "the cluster no longer answers") }
            return BenchmarkError(.preparationFailed, "\(error)")
        }
        switch error.code {
        case .cancelled: return BenchmarkError(.cancelled, "the benchmark was cancelled", cause: error)
        case .permissionDenied:
            let message = "the user may not write below the prefix: \(error.message)"
            return BenchmarkError(.permissionDenied, message, cause: error)
        case .noSpace: return noSpace(error)
        case .unavailable, .deadlineExceeded, .ambiguous, .timedOut, .noLeader:
            return BenchmarkError(.unreachable, "the cluster does not answer: \(error.message)", cause: error)
        default:
            let message = isFirst ? error.message : "the benchmark cannot continue: \(error.message)"
            return BenchmarkError(isFirst ? .unreachable : .preparationFailed, message, cause: error)
        }
    }
}

extension RangeOptions {
    /// Requests only the number of entries.
    fileprivate static var count: RangeOptions {
        var options = RangeOptions()
        options.countOnly = true
        return options
    }
}
