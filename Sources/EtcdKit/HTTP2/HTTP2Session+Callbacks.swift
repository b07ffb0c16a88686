// SPDX-License-Identifier: Apache-2.0

import CNghttp2

extension HTTP2Session {
    /// Lets nghttp2 tell the session what it has seen.
    static func install(on callbacks: OpaquePointer?) {
        nghttp2_session_callbacks_set_on_header_callback(callbacks) {
            _,
            frame,
            name,
            nameCount,
            value,
            valueCount,
            _,
            context in
            guard let frame, let session = recorder(context) else { return 0 }
            return session.record(
                header: UnsafeBufferPointer(start: name, count: nameCount),
                UnsafeBufferPointer(start: value, count: valueCount),
                on: frame.pointee.hd.stream_id
            )
        }
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, id, data, count, context in
            recorder(context)?.record(data: UnsafeBufferPointer(start: data, count: count), on: id)
            return 0
        }
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, context in
            if let frame { recorder(context)?.record(frame: frame.pointee) }
            return 0
        }
        nghttp2_session_callbacks_set_before_frame_send_callback(callbacks) { _, frame, context in
            if let frame, UInt32(frame.pointee.hd.type) == NGHTTP2_HEADERS.rawValue {
                recorder(context)?.stream(frame.pointee.hd.stream_id)?.wasSent = true
            }
            return 0
        }
        nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks) { _, frame, _, context in
            if let frame, UInt32(frame.pointee.hd.type) == NGHTTP2_HEADERS.rawValue {
                let session = recorder(context)
                // nghttp2 may not have opened the stream, and does not know it by its number then.
                let stream = session?.streams.first { $0.id == frame.pointee.hd.stream_id }
                session?.recordClose(of: stream, code: .refusedStream)
            }
            return 0
        }
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, id, code, context in
            let session = recorder(context)
            session?.recordClose(of: session?.stream(id), code: HTTP2ErrorCode(rawValue: code))
            return 0
        }
    }
}

/// The session behind nghttp2's user data, which lives as long as nghttp2's own session does.
private func recorder(_ context: UnsafeMutableRawPointer?) -> HTTP2Session? {
    context.map { Unmanaged<HTTP2Session>.fromOpaque($0).takeUnretainedValue() }
}

let readOutgoing: nghttp2_data_source_read_callback = { _, id, buffer, length, flags, _, context in
    guard let stream = recorder(context)?.stream(id), let buffer, let flags else {
        return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
    }
    guard let chunk = stream.dequeue(into: UnsafeMutableRawBufferPointer(start: buffer, count: length)) else {
        return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    }
    if chunk.isLast { flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue }
    return chunk.count
}
