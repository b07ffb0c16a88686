// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

extension Worker {
    /// The number that all increment, and the name of the operation that has done so last.
    private var counter: Key { order.name + "-value" }
    /// The name of the last operation of this worker that was done.
    private var mark: Key { order.name + "-last-of-" + Key(id) }

    /// Increments the number under the lock, again and again.
    ///
    /// Nothing but the lock, and the guard if there is one, keeps the workers apart: the write does not depend on what was
    /// read.
    func count(isGuarded: Bool) async {
        await withEachGrant { grant, number in
            let operation = "\(id)-\(number)"
            let isDone = await increment(by: operation, grant, isGuarded: isGuarded)
            await grant.release()
            if isDone == nil { await resolve(operation, grant) }
        }
    }

    /// - Returns: Whether it was done; nil if that is unknown.
    private func increment(by operation: String, _ grant: LockGrant, isGuarded: Bool) async -> Bool? {
        let token = grant.fencingToken.rawValue
        let value: Int
        do {
            let entry = try await client.get(counter)
            value = 1 + (entry.flatMap { CounterChange($0) }?.value ?? 0)
            WorkerEvent(.read, token: token).tell()
            // At this point, the faults harm the workers.
            try await Task.sleep(for: .milliseconds(.random(in: 10...40)))
        } catch {
            WorkerEvent(.troubled, text: "\(error)").tell()
            return false
        }
        var claim = WorkerEvent(.held, token: token)
        claim.time = WorkerEvent.now
        if grant.isHeld { claim.tell() }

        WorkerEvent(.attempted, operation: operation, value: value).tell()
        let change = CounterChange(value: value, operation: operation)
        let writes: [TransactionOperation] = [.put(counter, change.text), .put(mark, Value(operation))]
        do {
            if isGuarded {
                try await grant.guarded(then: writes)
            } else {
                try await client.transaction(then: writes)
            }
            WorkerEvent(.acknowledged, operation: operation, value: value).tell()
            return true
        } catch EtcdError.Code.ambiguous {
            return nil
        } catch {
            WorkerEvent(.refused, operation: operation, text: "\(error)").tell()
            return false
        }
    }

    /// Finds out whether an operation was done, as soon as its guard keeps it from being done any more: when the key of the
    /// lock is gone.
    private func resolve(_ operation: String, _ grant: LockGrant) async {
        let isGone = Compare.Target.createRevision(grant.key) == 0
        while true {
            let response = try? await client.transaction(if: [isGone], then: [.get(mark)])
            if let response, response.succeeded {
                let isDone = response.results.first?.entries.first?.value == Value(operation)
                let kind = isDone ? WorkerEvent.Kind.acknowledged : .refused
                return WorkerEvent(kind, operation: operation, text: WorkerEvent.foundOut).tell()
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }
}

/// The content of the counter: the number, and which operation has written it.
struct CounterChange: Sendable, Hashable {
    let value: Int
    let operation: String

    var text: Value { Value("\(value) \(operation)") }

    init(value: Int, operation: String) {
        self.value = value
        self.operation = operation
    }

    init?(_ entry: KeyValue) {
        let parts = "\(entry.value)".split(separator: " ")
        guard parts.count == 2, let value = Int(parts[0]) else { return nil }
        self.init(value: value, operation: String(parts[1]))
    }
}
