// SPDX-License-Identifier: Apache-2.0

import CNghttp2

/// The client's side of one HTTP/2 connection, without any I/O: bytes in, bytes out.
///
/// nghttp2 does the protocol; its callbacks only record. After each ``receive(_:)`` the owner takes the records
/// with ``takeTouchedStreams()`` and looks at ``goAway`` and ``hasPeerSettings``.
final class HTTP2Session {
    struct Settings: Sendable {
        /// How many bytes a stream may receive before its consumer has taken some.
        var streamWindow: Int32 = 1 << 20
        /// How many bytes the connection may receive before they are read from the socket.
        var connectionWindow: Int32 = 16 << 20
        /// How large a list of header fields may be, as RFC 9113 counts, section 6.5.2.
        ///
        /// etcd's take some hundred bytes.
        var headerListLimit = 64 << 10
    }

    /// The peer's announcement that it will take no more streams.
    struct GoAway: Sendable, Hashable {
        let code: HTTP2ErrorCode
        let debugData: String
    }

    private let session: OpaquePointer
    private let headerListLimit: Int
    /// The open streams, in no order.
    private(set) var streams: [HTTP2Stream] = []
    private var touched: [HTTP2Stream] = []
    /// The streams that were taken last, in an array that is used again.
    private var taken: [HTTP2Stream] = []
    private var receivedDataCount = 0
    private(set) var goAway: GoAway?
    /// Pings of the peer since something was sent.
    private var unansweredPings = 0
    private(set) var hasPeerSettings = false
    /// The peer has answered a request.
    private(set) var hasAnswered = false

    init(settings: Settings) throws(HTTP2Error) {
        var callbacks: OpaquePointer?
        var option: OpaquePointer?
        var session: OpaquePointer?
        defer {
            nghttp2_session_callbacks_del(callbacks)
            nghttp2_option_del(option)
        }
        try HTTP2Error.check(nghttp2_session_callbacks_new(&callbacks))
        try HTTP2Error.check(nghttp2_option_new(&option))
        Self.install(on: callbacks)
        nghttp2_option_set_no_auto_window_update(option, 1)
        nghttp2_option_set_no_closed_streams(option, 1)
        nghttp2_option_set_peer_max_concurrent_streams(option, 1 << 20)
        try HTTP2Error.check(nghttp2_session_client_new2(&session, callbacks, nil, option))
        guard let session else { throw HTTP2Error(message: "nghttp2 made no session") }
        self.session = session
        headerListLimit = settings.headerListLimit
        nghttp2_session_set_user_data(session, Unmanaged.passUnretained(self).toOpaque())
        let entries = [
            nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0),
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue),
                value: UInt32(clamping: settings.streamWindow)
            ),
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue),
                value: UInt32(clamping: settings.headerListLimit)
            ),
        ]
        try HTTP2Error.check(nghttp2_submit_settings(session, 0, entries, entries.count))
        try HTTP2Error.check(nghttp2_session_set_local_window_size(session, 0, 0, settings.connectionWindow))
    }

    deinit {
        nghttp2_session_del(session)
    }

    // MARK: Bytes

    /// Takes bytes from the peer.
    func receive(_ bytes: UnsafeRawBufferPointer) throws(HTTP2Error) {
        let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        try HTTP2Error.check(nghttp2_session_mem_recv(session, start, bytes.count))
        if receivedDataCount > 0 {
            nghttp2_session_consume_connection(session, receivedDataCount)
            receivedDataCount = 0
        }
        for stream in touched where stream.window == .automatic && stream.ending == nil {
            consume(stream.takeUncreditedCount(), on: stream)
        }
    }

    /// Appends bytes for the peer to `output` until there are no more or it holds `limit` bytes.
    func send(into output: inout [UInt8], limit: Int) throws(HTTP2Error) {
        unansweredPings = 0
        while output.count < limit {
            var data: UnsafePointer<UInt8>?
            let count = nghttp2_session_mem_send(session, &data)
            try HTTP2Error.check(count)
            if count == 0 { return }
            output.append(contentsOf: UnsafeBufferPointer(start: data, count: count))
        }
    }

    /// There is nothing to send but answers to pings, if anything.
    var hasOnlyPingsToAnswer: Bool { nghttp2_session_get_outbound_queue_size(session) <= unansweredPings }

    /// The session has seen an error or a complete shutdown and exchanges nothing more.
    var isFinished: Bool {
        nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0
    }

    /// The streams on which something was recorded since the last call; those that ended are forgotten.
    func takeTouchedStreams() -> [HTTP2Stream] {
        taken.removeAll(keepingCapacity: true)
        swap(&touched, &taken)
        for stream in taken {
            stream.isTouched = false
            if stream.ending != nil { forget(stream) }
        }
        return taken
    }

    /// Something was recorded that ``takeTouchedStreams()`` returns.
    var hasTouchedStreams: Bool { !touched.isEmpty }

    // MARK: Streams

    /// Opens a stream with a request; it is sent with the next ``send(into:limit:)``.
    func open(
        _ headers: HTTP2RequestHeaders,
        body: [UInt8],
        endStream: Bool,
        window: HTTP2Stream.Window
    ) throws(HTTP2Error) -> HTTP2Stream {
        let stream = HTTP2Stream(window: window, headerListLimit: headerListLimit, body: body, endStream: endStream)
        let context = Unmanaged.passUnretained(stream).toOpaque()
        var provider = nghttp2_data_provider()
        provider.read_callback = readOutgoing
        // nghttp2 copies the texts that are not the program's, so the buffers may go after this call.
        let id = headers.withPairs { pairs in
            nghttp2_submit_request(session, nil, pairs.baseAddress, pairs.count, &provider, context)
        }
        try HTTP2Error.check(id)
        stream.id = id
        stream.index = streams.count
        streams.append(stream)
        return stream
    }

    /// Drops a stream that has ended; nghttp2 must not point to it any more.
    private func forget(_ stream: HTTP2Stream) {
        guard let index = stream.index, let last = streams.popLast() else { return }
        if last !== stream {
            streams[index] = last
            last.index = index
        }
        stream.index = nil
        // Fails for a stream that nghttp2 has forgotten, too.
        nghttp2_session_set_stream_user_data(session, stream.id, nil)
    }

    /// The stream that nghttp2 knows by this number; nil if it was dropped here.
    func stream(_ id: Int32) -> HTTP2Stream? {
        // A stream is in `streams`, which holds it, for as long as nghttp2 has the pointer to it.
        nghttp2_session_get_stream_user_data(session, id).map { Unmanaged.fromOpaque($0).takeUnretainedValue() }
    }

    /// Sends more data on `stream`.
    func send(_ bytes: [UInt8], endStream: Bool, on stream: HTTP2Stream) {
        stream.enqueue(bytes, endStream: endStream)
        // Fails only for a stream that is closed or not waiting, and then there is nothing to wake.
        nghttp2_session_resume_data(session, stream.id)
    }

    /// Opens the window of `stream` for `count` more bytes.
    func consume(_ count: Int, on stream: HTTP2Stream) {
        guard count > 0 else { return }
        if let credit = stream.takeCredit(afterConsuming: count) {
            if credit > 0 { nghttp2_submit_window_update(session, 0, stream.id, Int32(clamping: credit)) }
        } else {
            nghttp2_session_consume_stream(session, stream.id, count)
        }
    }

    /// Changes by how many bytes the peer may be ahead on `stream`, whose request was sent.
    ///
    /// A smaller window than before takes nothing back: it is in force when the difference was consumed.
    func setWindow(of stream: HTTP2Stream, to size: Int) {
        let present = Int(nghttp2_session_get_stream_effective_local_window_size(session, stream.id))
        // It is negative for a stream that is closed.
        guard present >= 0 else { return }
        if size < present {
            stream.shrinkWindow(to: size, from: present)
        } else {
            nghttp2_session_set_local_window_size(session, 0, stream.id, Int32(clamping: size))
        }
    }

    /// Ends `stream` from this side; nothing more is recorded on it.
    func reset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
        forget(stream)
        stream.end(.closed(code))
        nghttp2_submit_rst_stream(session, 0, stream.id, code.rawValue)
    }

    /// Ends every stream, because the connection is gone.
    func endAllStreams(_ reason: String) {
        for stream in streams {
            stream.end(stream.wasSent ? .connectionLost(reason) : .notProcessed)
            touch(stream)
        }
    }

    // MARK: Connection

    func ping() {
        nghttp2_submit_ping(session, 0, nil)
    }

    func sendGoAway() {
        nghttp2_submit_goaway(session, 0, 0, 0, nil, 0)
    }

    // MARK: Callbacks

    func touch(_ stream: HTTP2Stream) {
        if stream.isTouched { return }
        stream.isTouched = true
        touched.append(stream)
    }

    func record(data: UnsafeBufferPointer<UInt8>, on id: Int32) {
        receivedDataCount += data.count
        guard let stream = stream(id) else { return }
        stream.receive(data)
        touch(stream)
    }

    func record(frame: nghttp2_frame) {
        let flags = UInt32(frame.hd.flags)
        switch UInt32(frame.hd.type) {
        case NGHTTP2_HEADERS.rawValue, NGHTTP2_DATA.rawValue:
            guard let stream = stream(frame.hd.stream_id) else { return }
            if UInt32(frame.hd.type) == NGHTTP2_HEADERS.rawValue { stream.receiveEndOfHeaders() }
            hasAnswered = true
            if flags & NGHTTP2_FLAG_END_STREAM.rawValue != 0 { stream.isRemoteClosed = true }
            touch(stream)
        case NGHTTP2_SETTINGS.rawValue:
            if flags & NGHTTP2_FLAG_ACK.rawValue == 0 { hasPeerSettings = true }
        case NGHTTP2_PING.rawValue:
            if flags & NGHTTP2_FLAG_ACK.rawValue == 0 { unansweredPings += 1 }
        case NGHTTP2_GOAWAY.rawValue:
            let debug = UnsafeBufferPointer(start: frame.goaway.opaque_data, count: frame.goaway.opaque_data_len)
            goAway = GoAway(
                code: HTTP2ErrorCode(rawValue: frame.goaway.error_code),
                debugData: String(decoding: debug.prefix(256), as: UTF8.self).printable
            )
        default:
            break
        }
    }

    func recordClose(of stream: HTTP2Stream?, code: HTTP2ErrorCode) {
        guard let stream else { return }
        stream.end(code == .refusedStream || !stream.wasSent ? .notProcessed : .closed(code))
        touch(stream)
    }

    /// Takes a header field of an answer; returns what nghttp2 is to do.
    func record(
        header name: UnsafeBufferPointer<UInt8>,
        _ value: UnsafeBufferPointer<UInt8>,
        on id: Int32
    ) -> Int32 {
        guard let stream = stream(id), !stream.receive(header: name, value) else { return 0 }
        stream.end(.refused("the server's header fields are larger than \(headerListLimit) bytes"))
        touch(stream)
        // Resets the stream, and skips what is left of the list.
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
    }
}

/// A failure of the HTTP/2 protocol on this connection.
struct HTTP2Error: Error, Sendable, CustomStringConvertible {
    let message: String

    var description: String { message }

    static func check(_ result: some BinaryInteger) throws(HTTP2Error) {
        if result < 0 { throw HTTP2Error(message: String(cString: nghttp2_strerror(Int32(clamping: result)))) }
    }
}
