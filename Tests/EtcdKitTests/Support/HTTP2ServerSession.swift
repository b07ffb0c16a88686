// SPDX-License-Identifier: Apache-2.0

import CNghttp2

@testable import EtcdKit

/// The server's side of one HTTP/2 connection, without I/O: nghttp2's own server, as the peer of the tests.
///
/// Like the client's session it records in callbacks; ``takeEvents()`` returns the events since then.
final class HTTP2ServerSession {
    struct Settings {
        /// How many bytes of a request's body the client may send before the server opens the window.
        var streamWindow: UInt32 = 65_535
        var maxConcurrentStreams: UInt32?
        /// Opens windows as data arrive; otherwise a request stops at the window for good.
        var opensWindows = true
        /// Bytes of padding in every DATA frame.
        var padding = 0
    }

    enum Event {
        /// The header fields of a new request are complete.
        case headers
        case data
        /// The client has sent its whole request.
        case end
        /// The client has reset the stream.
        case reset
    }

    private let session: OpaquePointer
    private let padding: Int
    private(set) var exchanges: [Int32: HTTP2ServerExchange] = [:]
    private var events: [(HTTP2ServerExchange, Event)] = []
    let started = ContinuousClock.now
    private(set) var pingCount = 0
    private(set) var goAwayCode: HTTP2ErrorCode?
    /// Called when there is something to send.
    var onOutput: (() -> Void)?

    init(_ settings: Settings = Settings()) throws(HTTP2ServerError) {
        var callbacks: OpaquePointer?
        var option: OpaquePointer?
        var session: OpaquePointer?
        defer {
            nghttp2_session_callbacks_del(callbacks)
            nghttp2_option_del(option)
        }
        padding = settings.padding
        try HTTP2ServerError.check(nghttp2_session_callbacks_new(&callbacks))
        try HTTP2ServerError.check(nghttp2_option_new(&option))
        Self.install(on: callbacks)
        // By default nghttp2 hangs up on a client that resets more than a thousand streams.
        nghttp2_option_set_stream_reset_rate_limit(option, 1 << 30, 1 << 30)
        if !settings.opensWindows { nghttp2_option_set_no_auto_window_update(option, 1) }
        try HTTP2ServerError.check(nghttp2_session_server_new2(&session, callbacks, nil, option))
        guard let session else { throw HTTP2ServerError(message: "no session") }
        self.session = session
        nghttp2_session_set_user_data(session, Unmanaged.passUnretained(self).toOpaque())
        var entries = [
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue),
                value: settings.streamWindow
            )
        ]
        if let limit = settings.maxConcurrentStreams {
            let id = Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue)
            entries.append(nghttp2_settings_entry(settings_id: id, value: limit))
        }
        try HTTP2ServerError.check(nghttp2_submit_settings(session, 0, entries, entries.count))
    }

    deinit {
        nghttp2_session_del(session)
    }

    // MARK: Bytes

    func receive(_ bytes: some Collection<UInt8>) throws(HTTP2ServerError) {
        let bytes = Array(bytes)
        try HTTP2ServerError.check(nghttp2_session_mem_recv(session, bytes, bytes.count))
    }

    /// All that is to be sent now.
    func takeOutput() throws(HTTP2ServerError) -> [UInt8] {
        var output: [UInt8] = []
        while true {
            var data: UnsafePointer<UInt8>?
            let count = nghttp2_session_mem_send(session, &data)
            try HTTP2ServerError.check(count)
            if count == 0 { return output }
            output.append(contentsOf: UnsafeBufferPointer(start: data, count: count))
        }
    }

    func takeEvents() -> [(exchange: HTTP2ServerExchange, event: Event)] {
        defer { events = [] }
        return events
    }

    // MARK: Connection

    /// How much of an answer fits the client's window for the stream.
    func remainingWindow(of exchange: HTTP2ServerExchange) -> Int {
        Int(nghttp2_session_get_stream_remote_window_size(session, exchange.id))
    }

    /// How much the client's window for the connection has room for.
    var remainingWindow: Int { Int(nghttp2_session_get_remote_window_size(session)) }

    func ping() {
        nghttp2_submit_ping(session, 0, nil)
        onOutput?()
    }

    /// Tells the client that no stream after `lastStreamID` was or will be processed.
    func goAway(lastStreamID: Int32, _ code: HTTP2ErrorCode = .noError, _ debugData: String = "") {
        let debug = Array(debugData.utf8)
        nghttp2_submit_goaway(session, 0, lastStreamID, code.rawValue, debug, debug.count)
        onOutput?()
    }

    // MARK: Answers, as the exchange gives them

    fileprivate func submit(interim fields: [(String, String)], on id: Int32) {
        withNameValues(fields) { _ = nghttp2_submit_headers(session, 0, id, nil, $0.baseAddress, $0.count, nil) }
        onOutput?()
    }

    fileprivate func submit(_ fields: [(String, String)], isLast: Bool, on id: Int32) {
        var provider = nghttp2_data_provider()
        provider.read_callback = readAnswer
        withNameValues(fields) { pairs in
            if isLast {
                nghttp2_submit_response(session, id, pairs.baseAddress, pairs.count, nil)
            } else {
                nghttp2_submit_response(session, id, pairs.baseAddress, pairs.count, &provider)
            }
        }
        onOutput?()
    }

    fileprivate func submit(trailers: [(String, String)], on id: Int32) {
        withNameValues(trailers) { _ = nghttp2_submit_trailer(session, id, $0.baseAddress, $0.count) }
    }

    fileprivate func resume(_ id: Int32) {
        nghttp2_session_resume_data(session, id)
        onOutput?()
    }

    fileprivate func reset(_ id: Int32, _ code: HTTP2ErrorCode) {
        nghttp2_submit_rst_stream(session, 0, id, code.rawValue)
        onOutput?()
    }

    // MARK: Callbacks

    private func record(frame: nghttp2_frame) {
        let flags = UInt32(frame.hd.flags)
        switch UInt32(frame.hd.type) {
        case NGHTTP2_PING.rawValue where flags & NGHTTP2_FLAG_ACK.rawValue == 0: pingCount += 1
        case NGHTTP2_GOAWAY.rawValue: goAwayCode = HTTP2ErrorCode(rawValue: frame.goaway.error_code)
        default: break
        }
        guard let exchange = exchanges[frame.hd.stream_id] else { return }
        switch UInt32(frame.hd.type) {
        case NGHTTP2_HEADERS.rawValue: events.append((exchange, .headers))
        case NGHTTP2_DATA.rawValue: events.append((exchange, .data))
        case NGHTTP2_RST_STREAM.rawValue:
            exchange.resetCode = HTTP2ErrorCode(rawValue: frame.rst_stream.error_code)
            events.append((exchange, .reset))
        default: return
        }
        if flags & NGHTTP2_FLAG_END_STREAM.rawValue != 0 {
            exchange.isComplete = true
            events.append((exchange, .end))
        }
    }

    private static func install(on callbacks: OpaquePointer?) {
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, context in
            guard let frame, let peer = recorder(context) else { return 0 }
            let id = frame.pointee.hd.stream_id
            if peer.exchanges[id] == nil { peer.exchanges[id] = HTTP2ServerExchange(id, peer) }
            return 0
        }
        nghttp2_session_callbacks_set_on_header_callback(callbacks) {
            _,
            frame,
            name,
            nameLength,
            value,
            length,
            _,
            context in
            guard let frame else { return 0 }
            recorder(context)?.exchanges[frame.pointee.hd.stream_id]?.headers.append(
                String(decoding: UnsafeBufferPointer(start: name, count: nameLength), as: UTF8.self),
                String(decoding: UnsafeBufferPointer(start: value, count: length), as: UTF8.self)
            )
            return 0
        }
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, id, data, count, context in
            let bytes = UnsafeBufferPointer(start: data, count: count)
            recorder(context)?.exchanges[id]?.body.append(contentsOf: bytes)
            return 0
        }
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, context in
            if let frame { recorder(context)?.record(frame: frame.pointee) }
            return 0
        }
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, id, code, context in
            recorder(context)?.exchanges[id]?.closeCode = HTTP2ErrorCode(rawValue: code)
            return 0
        }
        nghttp2_session_callbacks_set_select_padding_callback(callbacks) { _, frame, maximum, context in
            guard let frame, let peer = recorder(context) else { return 0 }
            let isData = UInt32(frame.pointee.hd.type) == NGHTTP2_DATA.rawValue
            return isData ? min(frame.pointee.hd.length + peer.padding, maximum) : frame.pointee.hd.length
        }
    }
}

/// A request at an ``HTTP2ServerSession``, and the answer to it, part by part.
final class HTTP2ServerExchange {
    fileprivate enum Part {
        case data([UInt8])
        case end(trailers: [(String, String)])
    }

    let id: Int32
    private unowned let session: HTTP2ServerSession
    fileprivate(set) var headers = HTTP2Headers()
    fileprivate(set) var body: [UInt8] = []
    fileprivate(set) var isComplete = false
    fileprivate(set) var resetCode: HTTP2ErrorCode?
    /// How the stream was closed, by whichever side.
    fileprivate(set) var closeCode: HTTP2ErrorCode?
    /// How many of the request's messages were sent back.
    var echoedCount = 0
    private var parts: ArraySlice<Part> = []

    fileprivate init(_ id: Int32, _ session: HTTP2ServerSession) {
        self.id = id
        self.session = session
    }

    /// Sends a 1xx response before the real one.
    func sendInterim(_ fields: [(String, String)]) { session.submit(interim: fields, on: id) }

    func send(_ fields: [(String, String)], isLast: Bool = false) { session.submit(fields, isLast: isLast, on: id) }

    /// Sends a DATA frame, or several if it does not fit one.
    func send(_ bytes: [UInt8]) {
        parts.append(.data(bytes))
        session.resume(id)
    }

    func end(trailers: [(String, String)] = []) {
        parts.append(.end(trailers: trailers))
        session.resume(id)
    }

    func reset(_ code: HTTP2ErrorCode) { session.reset(id, code) }

    fileprivate func read(into buffer: UnsafeMutableBufferPointer<UInt8>, _ flags: inout UInt32) -> Int {
        switch parts.popFirst() {
        case nil:
            return Int(NGHTTP2_ERR_DEFERRED.rawValue)
        case .data(let bytes):
            let count = buffer.update(fromContentsOf: bytes.prefix(buffer.count))
            if count < bytes.count { parts.insert(.data(Array(bytes[count...])), at: parts.startIndex) }
            return count
        case .end(let trailers):
            flags |= NGHTTP2_DATA_FLAG_EOF.rawValue
            if !trailers.isEmpty {
                flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
                session.submit(trailers: trailers, on: id)
            }
            return 0
        }
    }
}

private let readAnswer: nghttp2_data_source_read_callback = { _, id, buffer, length, flags, _, context in
    guard let exchange = recorder(context)?.exchanges[id], let flags else {
        return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
    }
    return exchange.read(into: UnsafeMutableBufferPointer(start: buffer, count: length), &flags.pointee)
}

private func recorder(_ context: UnsafeMutableRawPointer?) -> HTTP2ServerSession? {
    context.map { Unmanaged<HTTP2ServerSession>.fromOpaque($0).takeUnretainedValue() }
}

private func withNameValues(_ fields: [(String, String)], _ body: (UnsafeBufferPointer<nghttp2_nv>) -> Void) {
    var text = fields.flatMap { Array($0.0.utf8) + Array($0.1.utf8) }
    text.withUnsafeMutableBufferPointer { text in
        var next = text.baseAddress
        let pairs = fields.map { name, value in
            defer { next = next.map { $0 + name.utf8.count + value.utf8.count } }
            return nghttp2_nv(
                name: next,
                value: next.map { $0 + name.utf8.count },
                namelen: name.utf8.count,
                valuelen: value.utf8.count,
                flags: 0
            )
        }
        pairs.withUnsafeBufferPointer(body)
    }
}

struct HTTP2ServerError: Error {
    let message: String

    fileprivate static func check(_ result: some BinaryInteger) throws(HTTP2ServerError) {
        if result < 0 { throw HTTP2ServerError(message: String(cString: nghttp2_strerror(Int32(clamping: result)))) }
    }
}
