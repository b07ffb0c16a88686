// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Messages as bytes and back.
enum Codec {
    static func countInstructions() async throws {
        let puts = 5000
        await InstructionMeter.measure("encode a put of 256 bytes", operations: puts) {
            for _ in 0..<puts { check(WorkSamples.putFrame("budgets/1", Calls.value).count > 256) }
        }
        let entries = (0..<1000).map { KeyValue(Key("budgets/\($0)"), Calls.value, at: Revision(rawValue: 1_000_000)) }
        let range = WorkSamples.rangeMessage(entries)
        await InstructionMeter.measure("decode a range of 1,000 entries", operations: 10) {
            for _ in 0..<10 { check(WorkSamples.decodeRange(range) == entries.count) }
        }
        let watch = WorkSamples.watchMessage(Array(entries.prefix(1)))
        await InstructionMeter.measure("decode one event of a watch", operations: puts) {
            for _ in 0..<puts { check(WorkSamples.decodeWatch(watch) == 1) }
        }
    }

    private static func check(_ isRight: Bool) { precondition(isRight, "the codec is broken") }
}
