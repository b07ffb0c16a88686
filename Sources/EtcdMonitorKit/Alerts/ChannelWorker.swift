// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// Delivers the notifications of one channel, one at a time, with growing pauses after failures.
struct ChannelWorker: Sendable {
    let name: String
    let channel: any AlertChannel
    /// The pause after a first failure, and the longest pause.
    let retry: ClosedRange<Duration>
    /// The longest duration of an attempt.
    let limit: Duration
    /// Rings when there may be a message.
    let bell = Bell()

    /// The longest pause that a receiver can ask for.
    ///
    /// A longer one is most likely an error.
    static let longestWait = Duration.seconds(3600)

    /// Delivers notifications until the task is cancelled.
    func run(for center: AlertCenter) async {
        var failures = 0
        var cluster: String?
        while !Task.isCancelled {
            let step = center.beginStep(of: name, after: cluster)
            guard let message = step.message else {
                await bell.wait(for: step.wait)
                continue
            }
            cluster = message.notification.cluster
            await center.save()
            if Task.isCancelled { return center.noteEnd(of: message, mayHaveArrived: false) }
            switch await send(message.notification) {
            case .success(let answer):
                failures = 0
                await center.noteDelivery(of: message, answer: answer)
            case .failure(let error):
                // A cancelled attempt says nothing about the channel.
                if Task.isCancelled { return center.noteEnd(of: message, mayHaveArrived: true) }
                failures += 1
                await center.noteFailure(of: message, error)
                await Task.pause(for: delay(after: error, failures))
            }
        }
    }

    /// Makes one attempt, and cancels it when its time has passed.
    func send(_ notification: AlertNotification) async -> Result<String, AlertChannelError> {
        await withTaskGroup(of: Result<String, AlertChannelError>?.self) { group in
            group.addTask {
                do throws(AlertChannelError) {
                    return .success(try await channel.send(notification).oneLine.cut(to: 500))
                } catch {
                    var error = error
                    error.message = error.message.oneLine.cut(to: 500)
                    return .failure(error)
                }
            }
            group.addTask {
                await Task.pause(for: limit)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            if let first { return first }
            // The attempt may have ended at the last moment.
            if case .success(let answer)?? = await group.next() { return .success(answer) }
            var error = AlertChannelError("no answer within \(limit)")
            error.mayHaveArrived = true
            return .failure(error)
        }
    }

    /// The pause after some failures in a row.
    func delay(after error: AlertChannelError, _ failures: Int) -> Duration {
        let doubled = retry.lowerBound * (1 << min(max(failures, 1) - 1, 20))
        // A refusal may be temporary too, such as the 404 of a proxy during a rollout.
        let delay = min(retry.upperBound, error.isPermanent ? doubled * 30 : doubled)
        // Jitter, so that not all monitors retry at once.
        let jittered = delay * Double.random(in: 0.75...1)
        return max(jittered, min(error.retryAfter?.bounded ?? .zero, Self.longestWait))
    }
}
