// SPDX-License-Identifier: Apache-2.0

/// Work that may block, such as a look-up or the reading of files: on a thread of its own, one at a time for each key.
///
/// A request for a key whose work is running gets the result of that work. So work that hangs takes one thread, however
/// often it is requested.
@EventLoop
package final class SharedWork<Key: Hashable & Sendable, Value: Sendable, Failure: Error> {
    package typealias Answer = Result<Value, Failure>

    /// A request for the result, as long as this is kept.
    @EventLoop
    package final class Request {
        fileprivate let deliver: @EventLoop (Answer) -> Void

        fileprivate init(_ deliver: @escaping @EventLoop (Answer) -> Void) { self.deliver = deliver }
    }

    private struct WeakRequest {
        weak var request: Request?
    }

    private var waiting: [Key: [WeakRequest]] = [:]

    nonisolated init() {}

    /// Calls `deliver` with what `work` returns, or with `unstarted` if there is no thread for it.
    func request(
        _ key: Key,
        _ work: @escaping @Sendable () -> Answer,
        unstarted: (SystemError) -> Failure,
        _ deliver: @escaping @EventLoop (Answer) -> Void
    ) -> Request {
        let request = Request(deliver)
        if let others = waiting[key] {
            // Dropped requests are removed when others come; otherwise those for work that hangs would accumulate.
            waiting[key] = others.filter { $0.request != nil } + [WeakRequest(request: request)]
            return request
        }
        waiting[key] = [WeakRequest(request: request)]
        do throws(SystemError) {
            try Platform.startThread {
                let answer = work()
                EventLoop.execute { self.finish(key, answer) }
            }
        } catch {
            let failure = unstarted(error)
            EventLoop.execute { self.finish(key, .failure(failure)) }
        }
        return request
    }

    /// Calls `deliver` with an answer that is there already, in a later turn of the loop.
    func request(answeredBy answer: Answer, _ deliver: @escaping @EventLoop (Answer) -> Void) -> Request {
        let request = Request(deliver)
        EventLoop.execute { [weak request] in request?.deliver(answer) }
        return request
    }

    private func finish(_ key: Key, _ answer: Answer) {
        for waiting in waiting.removeValue(forKey: key) ?? [] { waiting.request?.deliver(answer) }
    }
}
