// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension MonitorAPI {
    /// The snapshots as [server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html): first the
    /// newest, then each new one.
    ///
    /// At most one snapshot waits for a slow client. It misses the others, and gets the newest when it reads again.
    func events(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        let cluster = try cluster(request)
        let headers: HTTPHeaders = ["Content-Type": "text/event-stream", "X-Accel-Buffering": "no"]
        if request.method == "HEAD" { return HTTPResponse(200, headers: headers) }
        let (frames, continuation) = AsyncStream.makeStream(of: [UInt8].self, bufferingPolicy: .bufferingNewest(1))
        let feed = EventFeed(continuation)
        // The stream is opened before the newest snapshot is read, so that no snapshot is lost in between.
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
                // The end of the polls ends the heartbeats; a client that disconnects ends both.
                await group.next()
                group.cancelAll()
            }
            continuation.finish()
        }
        continuation.onTermination = { _ in work.cancel() }
        return HTTPResponse(200, headers: headers, .stream(frames))
    }
}

/// The frames to be sent to one client.
private final class EventFeed: Sendable {
    private let continuation: AsyncStream<[UInt8]>.Continuation
    /// The number of the newest poll that was sent.
    ///
    /// The lock also keeps the frames in order.
    private let newest = Lock<Int?>(nil)

    init(_ continuation: AsyncStream<[UInt8]>.Continuation) {
        self.continuation = continuation
    }

    func send(_ snapshot: MonitorSnapshot) {
        guard let json = try? JSONBody.bytes(of: snapshot) else { return }
        let head = "retry: 3000\nid: \(snapshot.poll)\nevent: snapshot\ndata: "
        newest.withLock { newest in
            // Without new polls, clients see the age of what they have; the old poll again would hide it.
            if let last = newest, last >= snapshot.poll { return }
            newest = snapshot.poll
            continuation.yield(Array(head.utf8) + json + Array("\n\n".utf8))
        }
    }

    /// Sends a comment, which clients ignore, to detect a dead connection.
    func sendSignOfLife() {
        newest.withLock { _ in
            // A waiting snapshot is more important than the comment that replaced it.
            if case .dropped(let waiting) = continuation.yield(Array(": heartbeat\n\n".utf8)) {
                continuation.yield(waiting)
            }
        }
    }
}
