// SPDX-License-Identifier: Apache-2.0

/// Where an iteration gets its watch from.
enum WatchSource: Sendable {
    /// Each iteration starts one.
    case cold(EtcdClient, KeyRange, from: Revision?, WatchOptions)
    /// It runs already.
    case running(WatchHandle)
}

/// Takes a watch's chunks, one by one.
struct WatchReader {
    private let source: WatchSource
    private var handle: WatchHandle?
    private var chunks: ArraySlice<Watcher.Chunk> = []

    init(_ source: WatchSource) { self.source = source }

    mutating func next() async throws(EtcdError) -> Watcher.Chunk {
        while true {
            if let chunk = chunks.popFirst() { return chunk }
            chunks = try await running().next()[...]
        }
    }

    private mutating func running() async throws(EtcdError) -> WatchHandle {
        if let handle { return handle }
        let handle: WatchHandle
        switch source {
        case .running(let present):
            handle = present
        case .cold(let client, let range, let revision, let options):
            handle = WatchHandle(client, range, options)
            try await client.persist { () throws(EtcdError) in try await handle.start(from: revision) }
        }
        self.handle = handle
        return handle
    }
}
