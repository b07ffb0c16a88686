// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The changes of a value that is computed from a mirror of a range; the mirror ends with the last copy.
struct MirroredValues<Value: Sendable> {
    let client: EtcdClient
    let range: KeyRange
    let value: @Sendable (MirrorView) -> Value
    let isSame: @Sendable (Value, Value) -> Bool
    private var mirror: (owner: KeyMirror, views: MirrorViews.Iterator)?
    private var last: Value?

    init(
        _ client: EtcdClient,
        _ range: KeyRange,
        isSame: @escaping @Sendable (Value, Value) -> Bool,
        _ value: @escaping @Sendable (MirrorView) -> Value
    ) {
        self.client = client
        self.range = range
        self.isSame = isSame
        self.value = value
    }

    /// The current value at first, and then the next one that is different.
    ///
    /// - Throws: ``EtcdError``; `CancellationError`.
    mutating func next(isolation actor: isolated (any Actor)?) async throws -> Value {
        do {
            if mirror == nil {
                let (client, range) = (client, range)
                let owner = try await client.retryingWhileUnavailable { () throws(EtcdError) in
                    try await client.mirror(of: range)
                }
                mirror = (owner, owner.views.makeAsyncIterator())
            }
            while let view = try await mirror?.views.next(isolation: actor) {
                let value = value(view)
                if let last, isSame(value, last) { continue }
                last = value
                return value
            }
        } catch {
            throw error.ofWait
        }
        throw CancellationError()
    }
}
