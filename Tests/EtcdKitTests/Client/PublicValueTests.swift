// SPDX-License-Identifier: Apache-2.0

// Not `@testable`: these are the values that users make in their own tests.
import EtcdKit
import Testing

@Suite("Public values", .unit)
struct PublicValueTests {
    private let entry = KeyValue("users/1", "ann", at: 7, lease: Lease.ID(rawValue: 0x1f))

    @Test("KeyValue, WatchEvent and WatchBatch can be made by a user, and have readable descriptions")
    func events() {
        #expect(entry.version == 1 && entry.createRevision == 7 && entry.lease == Lease.ID(rawValue: 31))
        #expect("\(entry)" == "users/1 = ann (revision 7, lease 1f)")
        let large = KeyValue("k", Value(bytes: [UInt8](repeating: 65, count: 5000)), at: 8)
        #expect("\(large)" == "k = <5000 bytes> (revision 8)")
        let put = WatchEvent(putOf: entry)
        let deletion = WatchEvent(deletionOf: "users/1", at: 9, previous: entry)
        #expect(put.isCreation && put.kind == .put && deletion.kind == .delete && deletion.previous == entry)
        #expect("\(put)" == "put users/1 = ann (revision 7, lease 1f)")
        #expect("\(deletion)" == "delete users/1 (revision 9)")
        let batch = WatchBatch(revision: 9, events: [deletion], isResync: true)
        #expect("\(batch)" == "revision 9, resync: delete users/1 (revision 9)")
        #expect("\(WatchBatch(revision: 9, events: []))" == "revision 9: no changes")
    }

    @Test("responses can be made by a user, and have readable descriptions")
    func responses() {
        let range = RangeResponse([entry], at: 9)
        #expect(range.count == 1 && range.header.revision == 9 && "\(range)" == "1 of 1 entries at revision 9")
        #expect("\(PutResponse(at: 9, previous: entry))" == "put at revision 9, before: \(entry)")
        let deletion = DeleteResponse(deleted: 2, at: 9)
        #expect("\(deletion)" == "2 deleted at revision 9")
        let transaction = TransactionResponse(succeeded: true, [.range(range), .delete(deletion)], at: 9)
        #expect(transaction.results == [.range(range), .delete(deletion)])
        #expect("\(transaction)" == "then with 2 results at revision 9")
        var header = ResponseHeader()
        (header.revision, header.memberID, header.raftTerm) = (5, Member.ID(rawValue: 0xa1), 2)
        #expect("\(header)" == "revision 5, member a1, term 2")
    }

    @Test("leases can be made by a user, and have readable descriptions")
    func leases() {
        let lease = Lease(id: Lease.ID(rawValue: 0x2a), timeToLive: .seconds(10))
        #expect("\(lease)" == "lease 2a of 10.0 seconds")
        let status = LeaseStatus(
            id: lease.id,
            grantedTimeToLive: .seconds(10),
            remainingTimeToLive: .seconds(4),
            keys: ["a", "b"]
        )
        #expect("\(status)" == "lease 2a, 4.0 seconds of 10.0 seconds left, keys: a, b")
        let renewal = LeaseRenewal(id: lease.id, timeToLive: .seconds(10), deadline: .now + .seconds(10))
        #expect("\(renewal)" == "lease 2a renewed for 10.0 seconds")
        #expect("\(LeaseState.active(until: .now + .seconds(10)))".hasPrefix("active for 9."))
        #expect("\(LeaseState.atRisk(until: .now + .seconds(3), nil))".hasPrefix("at risk, lost in 2."))
    }

    @Test("members can be made by a user, and have readable descriptions")
    func members() {
        var member = Member()
        (member.id, member.name, member.isLearner) = (Member.ID(rawValue: 0xa1), "node-1", true)
        #expect("\(member)" == "node-1 (a1, learner)")
        var status = MemberStatus()
        status.header.memberID = member.id
        status.leader = member.id
        (status.version, status.databaseSize, status.errors) = ("3.5.16", 4096, ["etcdserver: no space"])
        status.downgradeTarget = "3.4"
        #expect(status.isLeader && status.downgradeTarget == "3.4")
        #expect("\(status)" == "member a1, leader, etcd 3.5.16, 4096 bytes, etcdserver: no space")
        #expect("\(Alarm(.noSpace, of: member.id))" == "NOSPACE of member a1")
    }

    @Test("views and changes of mirrors can be made by a user, and have readable descriptions")
    func mirrors() {
        let view = MirrorView(range: .prefix("users/"), revision: 9, entries: [entry])
        #expect(view["users/1"] == entry && "\(view)" == "1 entries of prefix users/ at revision 9")
        let put = MirrorChange.Put(entry: entry, previous: nil)
        let change = MirrorChange(revision: 9, deletions: [], puts: [put], isDifference: true)
        #expect(!change.isEmpty && "\(change)" == "1 put, 0 deleted at revision 9 (difference)")
    }
}
