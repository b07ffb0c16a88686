// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("WatchMailbox", .unit, .timeLimit(.minutes(1)))
struct WatchMailboxTests {
    /// The content of the mailbox, in words.
    private func take(_ box: WatchMailbox, _ credits: inout [Int]) throws -> [String]? {
        var given: [Int] = []
        let portion = try box.take { given.append($0.byteCount) }
        credits += given
        guard let portion else { return nil }
        return (portion.items + (portion.events.isEmpty ? [] : [.events(portion.events)])).map { item in
            switch item {
            case .events(let events): events.all.map { "\($0.revision)" }.joined(separator: ",")
            case .progress(let revision): "to \(revision)"
            case .interruption(let revision): "cut at \(revision)"
            }
        }
    }

    private func put(_ revision: Revision, into box: WatchMailbox, _ credit: WatchMailbox.Credit? = nil) -> Int {
        var response = Wire.WatchResponse()
        response.events = [WatchEvent(deletionOf: "k", at: revision)]
        return response.encoded.withUnsafeBytes { bytes in
            var cost = 0
            _ = WatchAnswer.read(bytes) { answer in cost = box.add({ $0.append(answer.events) }, credit) }
            return cost
        }
    }

    @Test("messages come in order, events together, and only the newest progress")
    func order() throws {
        let box = WatchMailbox()
        var credits: [Int] = []
        #expect(try take(box, &credits) == nil)
        let first = put(1, into: box)
        #expect(put(2, into: box) == 2 * first)
        box.add(.progress(3), nil)
        box.add(.progress(4), nil)
        box.add(.interruption(5), nil)
        _ = put(6, into: box)
        box.add(.progress(7), nil)
        _ = put(8, into: box)
        #expect(try take(box, &credits) == ["1,2", "to 4", "cut at 5", "6", "to 7", "8"])
        #expect(try take(box, &credits) == nil)
        #expect(put(9, into: box) == first)
        box.end(EtcdError(.cancelled, "over"))
        box.end(EtcdError(.server, "too late"))
        #expect(try take(box, &credits) == ["9"])
        let error = #expect(throws: EtcdError.self) { try take(box, &credits) }
        #expect(error?.code == .cancelled)
        #expect(credits == [])
    }

    @Test("the server gets credit once for what was taken, and none for what a lost stream had sent")
    func credit() throws {
        let box = WatchMailbox()
        var credits: [Int] = []
        // Without a message to take, nobody would give the credit.
        #expect(!box.withhold(WatchMailbox.Credit(watchID: 1, byteCount: 5)))
        _ = put(1, into: box, WatchMailbox.Credit(watchID: 1, byteCount: 10))
        #expect(box.withhold(WatchMailbox.Credit(watchID: 1, byteCount: 5)))
        box.add(.progress(3), WatchMailbox.Credit(watchID: 1, byteCount: 20))
        #expect(try take(box, &credits)?.count == 2)
        #expect(credits == [35])
        #expect(try take(box, &credits) == nil)
        _ = put(4, into: box, WatchMailbox.Credit(watchID: 1, byteCount: 10))
        box.forgetCredit()
        #expect(try take(box, &credits) == ["4"])
        #expect(credits == [35])
    }

    @Test(
        "a waiting task is woken by a message, by the end or by cancellation, whichever comes first",
        arguments: 0..<3
    )
    func waiting(way: Int) async throws {
        let box = WatchMailbox()
        let taken = Lock(0)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    while !Task.isCancelled {
                        do {
                            if try box.take({ _ in }) != nil { return taken.withLock { $0 += 1 } }
                        } catch {
                            return
                        }
                        await box.wait()
                    }
                }
            }
            switch way {
            case 0:
                for number in 1...50 {
                    _ = put(Revision(rawValue: Int64(number)), into: box)
                    box.wake()
                    // One task takes it, and returns; the others wait on.
                    guard await eventually({ taken.withLock { $0 } == number }) else {
                        Issue.record("message \(number) has woken no task")
                        return group.cancelAll()
                    }
                }
            case 1:
                box.end(EtcdError(.cancelled, "over"))
                box.wake()
            default:
                group.cancelAll()
            }
        }
        // Reached only when all tasks have returned.
        #expect(taken.withLock { $0 } == (way == 0 ? 50 : 0))
        await Task { await box.wait() }.cancelledValue
    }
}

extension Task where Failure == Never {
    /// The value of the task, which is cancelled first.
    fileprivate var cancelledValue: Success {
        get async {
            cancel()
            return await value
        }
    }
}

extension WatchMailbox {
    fileprivate func wait() async { await change.wait { isReady } }
}
