// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("LeaderTask: claims whose outcome is not known", .unit)
struct OpenClaimsTests {
    private func claim(_ slot: Int64, over base: Revision, nonce: String = "a") -> OpenClaims.Claim {
        OpenClaims.Claim(
            record: TaskRecord(slot: slot, leader: "node", term: 7, nonce: nonce),
            plan: TaskSchedule.Plan(slot: slot, runs: true, missed: 0),
            base: base
        )
    }

    @Test("a claim that is in the store is found, also one that was made before others")
    func found() {
        for number in 0..<3 {
            var open = OpenClaims()
            let claims = (0..<3).map { claim(Int64($0), over: 5) }
            for claim in claims { open.insert(claim) }
            // The record is still the old one: each of them may still come.
            #expect(open.resolve(by: TaskRecord(slot: -1, leader: "other", term: 6), at: 5) == nil && !open.isEmpty)
            #expect(open.resolve(by: claims[number].record, at: 6) == claims[number])
            // The others can never take effect, since the record that they were to replace is gone.
            #expect(open.isEmpty)
            #expect(open.resolve(by: claims[number].record, at: 6) == nil, "it is found once")
        }
    }

    @Test("a claim of another leader is not taken as the own one, even for the same slot in the same term")
    func others() {
        var open = OpenClaims()
        open.insert(claim(1, over: 5))
        #expect(open.resolve(by: claim(1, over: 5, nonce: "b").record, at: 6) == nil)
        #expect(open.isEmpty, "the other claim has replaced the own one")
    }

    @Test("the outcome of a claim is known once its record is replaced; claims over the newest record stay open")
    func bases() {
        var open = OpenClaims()
        open.insert(claim(1, over: 5))
        open.insert(claim(2, over: 6))
        open.insert(claim(2, over: 6))
        #expect(open.resolve(by: nil, at: 6) == nil)
        #expect(open.resolve(by: claim(1, over: 5).record, at: 6) == nil)
        #expect(open.resolve(by: claim(2, over: 6).record, at: 7) == claim(2, over: 6))
        // The record was deleted: claims over it cannot take effect, and one over no record can.
        open.insert(claim(3, over: 7))
        open.insert(claim(4, over: 0))
        #expect(open.resolve(by: nil, at: 0) == nil)
        #expect(open.resolve(by: claim(4, over: 0).record, at: 8) == claim(4, over: 0))
    }

    @Test("a record names its claim, and a record of an early version is read")
    func coding() throws {
        var entry = KeyValue()
        entry.value = try TaskRecord(slot: 5, leader: "a", term: 1, nonce: "f00").value
        #expect(try TaskRecord(entry).nonce == "f00")
        entry.value = #"{"slot":5,"leader":"a","term":1,"missed":0}"#
        #expect(try TaskRecord(entry) == TaskRecord(slot: 5, leader: "a", term: 1))
        #expect(try TaskRecord(entry) != TaskRecord(slot: 5, leader: "a", term: 1, nonce: "f00"))
    }
}
