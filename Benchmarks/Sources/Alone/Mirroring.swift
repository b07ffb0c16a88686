// SPDX-License-Identifier: Apache-2.0

import EtcdKit

private let prefix = "alone/"
private let batch = 100

/// Reads a large range in pages, mirrors it, and waits until the mirror has each of a hundred changes.
func mirror(_ client: EtcdClient, _ count: Int) async throws -> Figures {
    try await fill(client, count)
    var read = 0
    let range = try await measure {
        for try await _ in client.entries(in: .prefix(Key(prefix))) { read += 1 }
    }
    if read != count { throw Incomplete() }
    let began = (time: ContinuousClock.now, processor: processorTime())
    return try await client.withMirror(of: .prefix(Key(prefix))) { mirror in
        let list = (time: ContinuousClock.now - began.time, processor: processorTime() - began.processor)
        guard mirror.view.count == count else { throw Incomplete() }
        let change = try await measure {
            for number in 0..<batch {
                let response = try await client.put(Key("\(prefix)\(number)"), "changed")
                _ = try await mirror.waitUntil(revision: response.header.revision)
            }
        }
        return [
            "range_s": range.time / .seconds(1), "range_cpu_s": range.processor,
            "list_s": list.time / .seconds(1), "list_cpu_s": list.processor,
            "change_ms": change.time / .milliseconds(batch),
        ]
    }
}

/// Puts all keys, with values of 16 bytes, with sixteen callers.
private func fill(_ client: EtcdClient, _ count: Int) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for start in stride(from: 0, to: count, by: batch) {
            if start >= 16 * batch { try await group.next() }
            group.addTask {
                let puts = (start..<min(start + batch, count)).map { number in
                    TransactionOperation.put(Key("\(prefix)\(number)"), "0123456789abcdef")
                }
                try await client.transaction(then: puts)
            }
        }
        try await group.waitForAll()
    }
}

private func measure(_ body: () async throws -> Void) async throws -> (time: Duration, processor: Double) {
    let (time, processor) = (ContinuousClock.now, processorTime())
    try await body()
    return (ContinuousClock.now - time, processorTime() - processor)
}

private struct Incomplete: Error, CustomStringConvertible {
    let description = "the entries differ from those that were put"
}
