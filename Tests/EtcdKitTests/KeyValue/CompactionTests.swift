// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@Suite("EtcdClient: compaction", .cluster, .timeLimit(.minutes(1)))
struct CompactionTests {
    @Test(
        "a compaction drops older revisions; a second one and one of a future revision are refused",
        arguments: [false, true]
    )
    func compact(physical: Bool) async throws {
        try await withPrivateEtcd { client, _ in
            let first = try await client.put("k", "1").header.revision
            let second = try await client.put("k", "2").header.revision
            let third = try await client.put("k", "3").header.revision
            #expect(try await client.get("k", at: first)?.value == "1")

            let header = try await client.compact(at: second, physical: physical)
            #expect(header.revision == third)
            await expectError(.compacted) { try await client.get("k", at: first) }
            #expect(try await client.get("k", at: second)?.value == "2")
            #expect(try await client.get("k")?.value == "3")
            await expectError(.compacted) {
                try await client.transaction(then: [.range(.key("k"), options: .at(first))])
            }

            await expectError(.compacted) { try await client.compact(at: second, physical: physical) }
            await expectError(.compacted) { try await client.compact(at: first, physical: physical) }
            await expectError(.futureRevision) { try await client.compact(at: third.next, physical: physical) }
            try await client.compact(at: third, physical: physical)
        }
    }
}

extension RangeOptions {
    fileprivate static func at(_ revision: Revision) -> RangeOptions {
        var options = RangeOptions()
        options.revision = revision
        return options
    }
}
