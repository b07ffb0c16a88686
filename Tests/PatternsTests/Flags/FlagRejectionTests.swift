// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("FeatureFlags: errors in definitions", .live, .timeLimit(.minutes(1)))
struct FlagRejectionTests {
    @Test("each invalid definition is reported when it comes, and when it becomes invalid again")
    func rejections() async throws {
        try await withLiveClient { client, name in
            try await client.put(name + "/old", "junk")
            try await client.put(name + "/good", "true")
            try await client.withFeatureFlags("\(name)") { flags in
                var rejections = flags.rejections.makeAsyncIterator()
                let first = try await rejections.next()
                #expect(first?.flag == "old" && first?.code == .invalidDefinition)
                try await client.put(name + "/good", "false")
                try await client.put(name + "/new", #"{"serve": "on", "rules": [{"serve": "none"}]}"#)
                let second = try await rejections.next()
                #expect(second?.flag == "new" && second?.message.contains("\"none\"") == true)
                let revision = try await client.put(name + "/old", "true").header.revision
                try await flags.mirror.waitUntil(revision: revision)
                try await client.put(name + "/third", "nothing")
                #expect(try await rejections.next()?.flag == "third")
                try await client.put(name + "/old", "junk")
                #expect(try await rejections.next()?.flag == "old")
            }
        }
    }

    @Test("a cancelled reader of changes or rejections throws CancellationError; the end of the flags is an EtcdError")
    func cancellation() async throws {
        try await withLiveClient { client, name in
            let flags = try await FeatureFlags("\(name)", client: client)
            let readers = [
                Task { for try await _ in flags.changes {} }, Task { for try await _ in flags.rejections {} },
            ]
            for reader in readers {
                reader.cancel()
                await #expect(throws: CancellationError.self) { try await reader.value }
            }
            await flags.close()
            await expectError(.cancelled) { for try await _ in flags.changes {} }
            await expectError(.cancelled) { for try await _ in flags.rejections {} }
        }
    }

    @Test("a definition that is too large is refused with its key, its size and the limit")
    func size() async throws {
        try await withLiveClient { client, name in
            try await client.withFeatureFlags("\(name)") { flags in
                var flag = FeatureFlag()
                flag.description = String(repeating: "d", count: 3_000_000)
                let error = await #expect(throws: EtcdError.self) { try await flags.set("big", to: flag) }
                #expect(error?.code == .requestTooLarge && error?.message.contains("\(name)/big") == true)
                try await flags.enable("small")
                let other = await #expect(throws: EtcdError.self) {
                    try await flags.update("small") { $0.description = flag.description }
                }
                #expect(other?.message.contains("\(name)/small\" has 30000") == true, "\(other as Any)")
            }
        }
    }

    @Test("descriptions and errors are readable")
    func descriptions() {
        let error = FlagError("new-ui", .flagNotFound, "there is no such flag")
        #expect(error.localizedDescription == error.description)
        let evaluation = FlagEvaluation(value: 3, variant: nil, reason: .error, error: error)
        let text = #"3 (the caller's default), ERROR: flag "new-ui": FLAG_NOT_FOUND: there is no such flag"#
        #expect("\(evaluation)" == text)
        #expect("\(FlagEvaluation(value: 3, variant: "small", reason: .split))" == "3 (small), SPLIT")
        #expect("\(FlagChange(revision: 4, updated: ["a"]))" == #"revision 4: ["a"] updated, [] removed"#)
    }
}
