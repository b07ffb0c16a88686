// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import CNghttp2
    import Glibc
#elseif canImport(Musl)
    import CNghttp2
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Descriptors, and the sockets behind them.
extension Platform {
    // MARK: Descriptors

    package static func close(_ descriptor: Int32) {
        _ = systemClose(descriptor)
    }

    /// A pipe whose ends do not block; a pair of sockets, since these can be made close-on-exec in one call.
    package static func makePipe() throws(SystemError) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        _ = try uninterrupted("socketpair") { socketpair(AF_UNIX, stream | creationFlags, 0, &ends) }
        return (try prepared(ends[0]), try prepared(ends[1]))
    }

    /// Writes one byte to a pipe; a full pipe does not matter, since its reader is awake then.
    package static func wake(_ pipe: Int32) {
        withUnsafeBytes(of: UInt8(1)) { byte in
            while systemSend(pipe, byte, sendFlags) < 0 && errno == EINTR {}
        }
    }

    /// Reads and discards everything in a pipe.
    package static func drain(_ pipe: Int32) {
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
            while true {
                let count = read(pipe, buffer.baseAddress, buffer.count)
                if count == buffer.count || (count < 0 && errno == EINTR) { continue }
                return
            }
        }
    }

    /// A descriptor to wait for.
    struct PollEntry {
        private var raw: pollfd

        init(_ descriptor: Int32) {
            raw = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        }

        var descriptor: Int32 { raw.fd }

        /// Sets the events to wait for; returns whether they have changed.
        mutating func setInterest(read: Bool, write: Bool) -> Bool {
            let events = (read ? Int16(POLLIN) : 0) | (write ? Int16(POLLOUT) : 0)
            defer { raw.events = events }
            return raw.events != events
        }

        var isReady: Bool { raw.revents != 0 }
        var canRead: Bool { isBroken || raw.revents & Int16(POLLIN) != 0 }
        var canWrite: Bool { isBroken || raw.revents & Int16(POLLOUT) != 0 }
        private var isBroken: Bool { raw.revents & Int16(POLLERR | POLLHUP | POLLNVAL) != 0 }
    }

    /// Waits until an entry is ready or `milliseconds` are over; -1 waits for ever.
    static func wait(for entries: inout [PollEntry], milliseconds: Int32) throws(SystemError) {
        // An entry is a `pollfd` and nothing else.
        let result = entries.withUnsafeMutableBytes { bytes in
            let entries = bytes.bindMemory(to: pollfd.self)
            return poll(entries.baseAddress, nfds_t(entries.count), milliseconds)
        }
        if result < 0 && errno != EINTR { throw SystemError(call: "poll", number: errno) }
    }

    // MARK: Sockets

    #if canImport(Glibc)
        static let stream = Int32(SOCK_STREAM.rawValue)
    #else
        static let stream = SOCK_STREAM
    #endif
    // A socket must not block, and child processes must not inherit it. If the call that makes it cannot set this,
    // `prepared` does, and a child that is started in between inherits the socket.
    #if canImport(Glibc)
        private static let creationFlags = Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    #elseif canImport(Musl)
        private static let creationFlags = SOCK_CLOEXEC | SOCK_NONBLOCK
    #else
        private static let creationFlags: Int32 = 0
    #endif
    #if canImport(Darwin)
        // A socket option does this there.
        private static let sendFlags: Int32 = 0
    #else
        private static let sendFlags = Int32(MSG_NOSIGNAL)
    #endif

    package static func makeStreamSocket(family: Int32) throws(SystemError) -> Int32 {
        try prepared(uninterrupted("socket") { socket(family, stream | creationFlags, 0) })
    }

    #if canImport(Darwin)
        /// Sets the options of `creationFlags`, and no signals on writes; closes the socket on failure.
        private static func prepared(_ descriptor: Int32) throws(SystemError) -> Int32 {
            do throws(SystemError) {
                let flags = try uninterrupted("fcntl") { fcntl(descriptor, F_GETFL) }
                _ = try uninterrupted("fcntl") { fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) }
                _ = try uninterrupted("fcntl") { fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
                set(descriptor, level: SOL_SOCKET, option: SO_NOSIGPIPE)
            } catch {
                close(descriptor)
                throw error
            }
            return descriptor
        }
    #else
        private static func prepared(_ descriptor: Int32) throws(SystemError) -> Int32 { descriptor }
    #endif

    private static func set(_ descriptor: Int32, level: Int32, option: Int32, to value: Int32 = 1) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Sends small writes at once.
    package static func disableNagle(_ descriptor: Int32) {
        set(descriptor, level: Int32(IPPROTO_TCP), option: TCP_NODELAY)
    }

    /// Lets a listener take over an address whose old connections still linger.
    package static func allowAddressReuse(_ descriptor: Int32) {
        set(descriptor, level: SOL_SOCKET, option: SO_REUSEADDR)
    }

    /// Makes the next `close` send a reset instead of an orderly end.
    package static func resetOnClose(_ descriptor: Int32) {
        var value = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
    }

    /// Starts to connect; the connection may be there at once.
    package static func connect(_ descriptor: Int32, to address: SocketAddress) throws(SystemError) {
        let result = withSockaddr(address) { pointer, length in systemConnect(descriptor, pointer, length) }
        if result == 0 || errno == EINPROGRESS || errno == EINTR { return }
        throw SystemError(call: "connect", number: errno)
    }

    /// The outcome of a connect that was started earlier.
    package static func connectResult(_ descriptor: Int32) throws(SystemError) {
        var number: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        if getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &number, &length) != 0 { number = errno }
        if number != 0 { throw SystemError(call: "connect", number: number) }
    }

    package static func listen(_ descriptor: Int32, on address: SocketAddress) throws(SystemError) {
        let result = withSockaddr(address) { pointer, length in bind(descriptor, pointer, length) }
        if result != 0 { throw SystemError(call: "bind", number: errno) }
        if systemListen(descriptor, 128) != 0 { throw SystemError(call: "listen", number: errno) }
    }

    /// The next waiting connection of a listener, or nil when there is none.
    package static func acceptConnection(_ listener: Int32) throws(SystemError) -> Int32? {
        while true {
            let descriptor = systemAccept(listener, creationFlags)
            if descriptor >= 0 { return try prepared(descriptor) }
            switch errno {
            case EINTR, ECONNABORTED: continue
            case EAGAIN, EWOULDBLOCK: return nil
            default: throw SystemError(call: "accept", number: errno)
            }
        }
    }

    package static func localPort(of descriptor: Int32) throws(SystemError) -> UInt16 {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        if result != 0 { throw SystemError(call: "getsockname", number: errno) }
        return withUnsafeBytes(of: &storage) { bytes in
            // The port follows the family in both sockaddr_in and sockaddr_in6, in network byte order.
            UInt16(bytes[2]) << 8 | UInt16(bytes[3])
        }
    }

    /// The address of the other end; nil if that is gone already.
    static func peerAddress(of descriptor: Int32) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &length) }
        }
        guard result == 0 else { return nil }
        let bytes = withUnsafeBytes(of: &storage) { Array($0.prefix(Int(length))) }
        return SocketAddress(family: Int32(storage.ss_family), bytes: bytes)
    }

    /// Sends what fits; 0 when the socket is full.
    package static func send(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) throws(SystemError) -> Int {
        while true {
            let count = systemSend(descriptor, bytes, sendFlags)
            if count >= 0 { return count }
            switch errno {
            case EINTR: continue
            case EAGAIN, EWOULDBLOCK: return 0
            default: throw SystemError(call: "send", number: errno)
            }
        }
    }

    /// Receives what is there: nil when nothing is, 0 at the end of the stream.
    package static func receive(
        _ descriptor: Int32,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(SystemError) -> Int? {
        while true {
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if count >= 0 { return count }
            switch errno {
            case EINTR: continue
            case EAGAIN, EWOULDBLOCK: return nil
            default: throw SystemError(call: "recv", number: errno)
            }
        }
    }

    /// Tells the peer that nothing more will be sent.
    package static func shutdownWrites(_ descriptor: Int32) {
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Ends a listener before it is closed: a child process that is being started may inherit it for a moment, in which
    /// the port could not be used again.
    package static func stopListening(_ descriptor: Int32) {
        shutdown(descriptor, Int32(SHUT_RDWR))
    }
}

// The functions that have namesakes in `Platform`.

private func systemClose(_ descriptor: Int32) -> Int32 { close(descriptor) }
private func systemConnect(_ descriptor: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> Int32 {
    connect(descriptor, address, length)
}

private func systemListen(_ descriptor: Int32, _ backlog: Int32) -> Int32 { listen(descriptor, backlog) }
#if canImport(Darwin)
    private func systemAccept(_ listener: Int32, _ flags: Int32) -> Int32 { accept(listener, nil, nil) }
#else
    private func systemAccept(_ listener: Int32, _ flags: Int32) -> Int32 { accept4(listener, nil, nil, flags) }
#endif

private func systemSend(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, _ flags: Int32) -> Int {
    send(descriptor, bytes.baseAddress, bytes.count, flags)
}
