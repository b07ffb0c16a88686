// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdMonitorKit

@Suite("Recipients that a mail server defers", .unit, .timeLimit(.minutes(1)))
struct SMTPRecipientTests {
    private let news = MailSamples.notification(id: "news")
    private let later = MailSamples.notification(id: "later")
    private let trial = MailSamples.notification([(MailSamples.alert(), .test)], id: "trial")
    private let elsewhere = MailSamples.notification([(MailSamples.alert(cluster: "test-us"), .fired)], id: "elsewhere")

    /// Defers `b`.
    private let putsOff = SMTPScript.with("RCPT TO:<b@example.com>", "450 4.2.0 Greylisted")

    private func options(_ names: String...) -> SMTPChannel.Options {
        var options = SMTPScript.options()
        options.to = names.map { "\($0)@example.com" }
        return options
    }

    @Test func `The control: recipients that are accepted at once get one mail`() async throws {
        let outcomes = try await SMTPScript().deliver([news, later], options("a", "b"))
        #expect(outcomes.map(\.named) == [["a", "b"], ["a", "b"]])
        #expect(outcomes.map(\.answer) == ["250 2.0.0 queued", "250 2.0.0 queued"])
    }

    @Test func `A deferred recipient gets the mail in the next attempt, and the others get it once`() async throws {
        let outcomes = try await SMTPScript().deliver(
            [news, news, news],
            options("a", "b", "c"),
            scripts: [0: putsOff]
        )
        #expect(outcomes.map(\.named) == [["a", "b", "c"], ["b"], ["a", "b", "c"]])
        let error = try #require(outcomes[0].error)
        #expect(!error.isPermanent && error.mayHaveArrived && error.retryAfter != nil)
        #expect(error.message.hasSuffix(" defers some recipients: b@example.com (450 4.2.0 Greylisted)"))
        #expect(outcomes[1].answer == "250 2.0.0 queued")
        for outcome in outcomes {
            #expect(outcome.mail?.contains("To: a@example.com, b@example.com, c@example.com\r\n") == true)
        }
    }

    @Test func `Another message begins anew with all recipients`() async throws {
        let outcomes = try await putsOff.deliver(
            [news, later, later, news],
            options("a", "b"),
            scripts: [2: SMTPScript()]
        )
        #expect(outcomes.map(\.named) == [["a", "b"], ["a", "b"], ["b"], ["a", "b"]])
        #expect(outcomes.map { $0.error == nil } == [false, false, true, false])
    }

    @Test func `A trial or a message of another cluster does not reset the deferred recipients`() async throws {
        let outcomes = try await putsOff.deliver(
            [news, trial, elsewhere, news, elsewhere],
            options("a", "b"),
            scripts: [3: SMTPScript(), 4: SMTPScript()]
        )
        #expect(outcomes.map(\.named) == [["a", "b"], ["a", "b"], ["a", "b"], ["b"], ["b"]])
        #expect(outcomes.map { $0.error == nil } == [false, true, false, true, true])
        // There is no second attempt of a trial.
        #expect(outcomes[1].answer == "250 2.0.0 queued; not delivered to: b@example.com (450 4.2.0 Greylisted)")
    }

    @Test func `A failed attempt in between does not reset the recipients`() async throws {
        let steps = ["connection", "RCPT", "DATA", "."]
        let failures = steps.enumerated().map { ($0 + 1, SMTPScript.with($1, "421 4.3.2 bye")) }
        let scripts = Dictionary(failures) { $1 }.merging([0: putsOff]) { $1 }
        let outcomes = try await SMTPScript().deliver(
            Array(repeating: news, count: 6),
            options("a", "b"),
            scripts: scripts
        )
        #expect(outcomes.map(\.named) == [["a", "b"], [], ["b"], ["b"], ["b"], ["b"]])
        #expect(outcomes.dropLast().allSatisfy { $0.error?.mayHaveArrived == true && $0.error?.isPermanent == false })
        #expect(outcomes.last?.answer == "250 2.0.0 queued")
        // The control: if no recipient has the mail, a failure is an ordinary one.
        let none = try await SMTPScript.with("DATA", "421 4.3.2 bye").deliver([news], options("a", "b"))
        #expect(none[0].error?.mayHaveArrived == false)
    }

    @Test func `A mailbox that stays full is given up after five attempts, and the error names it`() async throws {
        var script = SMTPScript.with("RCPT TO:<b@example.com>", "452 4.2.2 Mailbox full")
        script.acts["RCPT TO:<c@example.com>"] = "550 5.1.1 No such user"
        let outcomes = try await script.deliver(Array(repeating: news, count: 6), options("a", "b", "c"))
        #expect(outcomes.map { $0.named.contains("a") } == [true, false, false, false, false, true])
        #expect(outcomes.map { $0.mail != nil } == [true, false, false, false, false, true])
        #expect(outcomes.map { $0.error == nil } == [false, false, false, false, true, false])
        #expect(outcomes.prefix(4).allSatisfy { $0.error?.mayHaveArrived == true && $0.error?.isPermanent == false })
        let refused = "refused: c@example.com (550 5.1.1 No such user)"
        let missing = "not delivered to: b@example.com (452 4.2.2 Mailbox full)"
        #expect(outcomes[4].answer == "accepted in an earlier attempt; \(refused); \(missing)")
    }

    @Test func `A mail that no recipient has is tried without end`() async throws {
        let script = SMTPScript.with("RCPT", "451 4.7.1 Greylisted")
        let outcomes = try await script.deliver(Array(repeating: news, count: 7), options("a", "b"))
        #expect(outcomes.allSatisfy { $0.error?.isPermanent == false && $0.error?.mayHaveArrived == false })
        #expect(outcomes.allSatisfy { $0.named == ["a", "b"] && $0.mail == nil })
    }

    @Test func `The error names a recipient that is refused in a later attempt`() async throws {
        let refuses = SMTPScript.with("RCPT", "550 5.1.1 No such user")
        let outcomes = try await putsOff.deliver([news, news], options("a", "b"), scripts: [1: refuses])
        #expect(
            outcomes[1].answer == "accepted in an earlier attempt; refused: b@example.com (550 5.1.1 No such user)"
        )
    }

    @Test func `A server that repeats the password does not get it into a message`() async throws {
        let script = SMTPScript.with("RCPT TO:<b@example.com>", "450 s3cret-pass is known")
        let outcomes = try await script.deliver(Array(repeating: news, count: 5), options("a", "b"))
        for outcome in outcomes {
            let text = outcome.answer ?? outcome.error?.message ?? ""
            #expect(text.contains("b@example.com (450 (secret) is known)"), "\(text)")
        }
    }
}
