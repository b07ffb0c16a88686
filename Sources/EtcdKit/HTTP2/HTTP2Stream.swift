// SPDX-License-Identifier: Apache-2.0

/// One stream of an ``HTTP2Session``: the bytes to be sent on it, and those received since it was last looked at.
final class HTTP2Stream {
    /// How the stream ended.
    enum Ending: Sendable, Hashable {
        /// The peer has not seen the request, or says that it has not acted on it.
        case notProcessed
        /// The stream was closed; the code is `NO_ERROR` after a complete exchange.
        case closed(HTTP2ErrorCode)
        /// The connection was lost after the request had been sent, for this reason.
        case connectionLost(String)
        /// This side has reset the stream because of what the peer has sent on it, for this reason.
        case refused(String)
    }

    /// How the stream's flow-control window is opened again.
    enum Window: Sendable {
        /// The session, as soon as data arrive.
        case automatic
        /// The consumer, as it takes the data.
        case manual
    }

    /// Given by the session that opens the stream.
    var id: Int32 = 0
    /// Where the session keeps the stream.
    var index: Int?
    let window: Window
    /// Told by the connection when there is something new here.
    var handler: (any HTTP2StreamHandler)?

    private(set) var headers = HTTP2Headers()
    private(set) var trailers = HTTP2Headers()
    private(set) var hasHeaders = false
    /// The peer has sent all it will.
    var isRemoteClosed = false
    private(set) var ending: Ending?
    /// The request's header frame was handed to the transport.
    var wasSent = false
    private let headerListLimit: Int
    private var headerListSize = 0
    private var received: [UInt8] = []
    /// Received bytes for which the window was not opened again yet.
    private var uncreditedCount = 0
    /// A window that was made smaller after the peer had got a larger one.
    private var smallWindow: SmallWindow?
    /// The session has something to report of this stream.
    var isTouched = false

    private struct SmallWindow {
        let size: Int
        /// How many bytes the peer may send beyond the size.
        var excess: Int
        /// How many bytes were consumed without the peer knowing it yet.
        var credit = 0
    }

    private var outgoing: [UInt8]
    private var outgoingStart = 0
    private var endsAfterOutgoing: Bool

    init(window: Window, headerListLimit: Int, body: [UInt8], endStream: Bool) {
        self.window = window
        self.headerListLimit = headerListLimit
        outgoing = body
        endsAfterOutgoing = endStream
    }

    // MARK: Receiving

    var receivedCount: Int { received.count }

    /// The data received since the last call.
    func takeReceived() -> [UInt8] {
        defer { received = [] }
        return received
    }

    /// Takes a header field; returns false, and takes none, when the list is too large with it.
    func receive(header name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) -> Bool {
        // As RFC 9113 counts, section 6.5.2.
        headerListSize += name.count + value.count + 32
        if headerListSize > headerListLimit { return false }
        if hasHeaders { trailers.append(name, value) } else { headers.append(name, value) }
        return true
    }

    func receiveEndOfHeaders() {
        headerListSize = 0
        // An interim response (1xx) is followed by the real one.
        if !hasHeaders, headers.status?.hasPrefix("1") == true {
            headers = HTTP2Headers()
        } else {
            hasHeaders = true
        }
    }

    func receive(_ bytes: UnsafeBufferPointer<UInt8>) {
        received.append(contentsOf: bytes)
        uncreditedCount += bytes.count
    }

    func takeUncreditedCount() -> Int {
        defer { uncreditedCount = 0 }
        return uncreditedCount
    }

    /// From now on, the window is to have `size` bytes.
    func shrinkWindow(to size: Int, from present: Int) {
        smallWindow = SmallWindow(size: size, excess: present - size)
    }

    /// By how much a window that was made smaller is to be opened; nil for one that was not.
    func takeCredit(afterConsuming count: Int) -> Int? {
        guard var window = smallWindow else { return nil }
        defer { smallWindow = window }
        let withheld = min(window.excess, count)
        window.excess -= withheld
        window.credit += count - withheld
        // As with other windows, not for each byte.
        if window.credit < window.size / 2 { return 0 }
        defer { window.credit = 0 }
        return window.credit
    }

    func end(_ ending: Ending) {
        if self.ending == nil { self.ending = ending }
    }

    // MARK: Sending

    func enqueue(_ bytes: [UInt8], endStream: Bool) {
        if outgoingStart == outgoing.count {
            outgoing = bytes
            outgoingStart = 0
        } else {
            outgoing.removeFirst(outgoingStart)
            outgoingStart = 0
            outgoing.append(contentsOf: bytes)
        }
        endsAfterOutgoing = endsAfterOutgoing || endStream
    }

    /// Copies the next data to send into `buffer`; nil if there is nothing yet.
    func dequeue(into buffer: UnsafeMutableRawBufferPointer) -> (count: Int, isLast: Bool)? {
        let count = min(buffer.count, outgoing.count - outgoingStart)
        if count == 0 && !endsAfterOutgoing { return nil }
        outgoing.withUnsafeBytes { bytes in
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[outgoingStart..<outgoingStart + count]))
        }
        outgoingStart += count
        let isEmpty = outgoingStart == outgoing.count
        if isEmpty {
            outgoing = []
            outgoingStart = 0
        }
        return (count, isEmpty && endsAfterOutgoing)
    }
}

/// The owner of a stream.
@EventLoop
protocol HTTP2StreamHandler: AnyObject {
    /// Data, headers or the end have arrived on `stream`.
    func streamDidProgress(_ stream: HTTP2Stream)
}

/// An error code of HTTP/2 (RFC 9113, section 7).
struct HTTP2ErrorCode: Sendable, Hashable, CustomStringConvertible {
    let rawValue: UInt32

    static let noError = Self(rawValue: 0)
    static let refusedStream = Self(rawValue: 7)
    static let cancel = Self(rawValue: 8)
    static let enhanceYourCalm = Self(rawValue: 11)

    private static let names = [
        "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
        "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
    ]

    var description: String {
        rawValue < Self.names.count ? Self.names[Int(rawValue)] : "code \(rawValue)"
    }
}
