// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension MonitorAPI {
    /// The snapshots as [server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html): the newest
    /// at once, then each as it comes.
    ///
    /// A client that is slow misses snapshots, and gets the newest when it is back: at most one waits for it.
    func events(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        let cluster = try cluster(request)
        let headers: HTTPHeaders = ["Content-Type": "text/event-stream", "X-Accel-Buffering": "no"]
        if request.method == "HEAD" { return HTTPResponse(200, headers: headers) }
        let (frames, continuation) = AsyncStream.makeStream(of: [UInt8].self, bufferingPolicy: .bufferingNewest(1))
        let feed = EventFeed(continuation)
        // The stream of polls is opened before the newest snapshot is read, so that none is lost in between.
        let snapshots = cluster.snapshots
        feed.send(cluster.snapshot)
        let work = Task { [heartbeat] in
            await withTaskGroup { group in
                group.addTask {
                    for await snapshot in snapshots { feed.send(snapshot) }
                }
                group.addTask {
                    while (try? await Task.sleep(for: heartbeat)) != nil { feed.sendSignOfLife() }
                }
                // The end of the polls ends the signs of life, and the client's end both.
                await group.next()
                group.cancelAll()
            }
            continuation.finish()
        }
        continuation.onTermination = { _ in work.cancel() }
        return HTTPResponse(200, headers: headers, .stream(frames))
    }
}

/// The frames on their way to one client.
private final class EventFeed: Sendable {
    private let continuation: AsyncStream<[UInt8]>.Continuation
    /// The number of the newest poll that was sent; the lock also keeps frames in their order.
    private let newest = Lock<Int?>(nil)

    init(_ continuation: AsyncStream<[UInt8]>.Continuation) {
        self.continuation = continuation
    }

    func send(_ snapshot: MonitorSnapshot) {
        guard let json = try? JSONBody.bytes(of: snapshot) else { return }
        let head = "retry: 3000\nid: \(snapshot.poll)\nevent: snapshot\ndata: "
        newest.withLock { newest in
            if let last = newest, last >= snapshot.poll { return }
            newest = snapshot.poll
            continuation.yield(Array(head.utf8) + json + Array("\n\n".utf8))
        }
    }

    /// Sends a comment, which clients do not see, so that a dead connection is found out.
    func sendSignOfLife() {
        newest.withLock { _ in
            // A snapshot that still waits is worth more than the comment that took its place.
            if case .dropped(let waiting) = continuation.yield(Array(": heartbeat\n\n".utf8)) {
                continuation.yield(waiting)
            }
        }
    }
}
