// SPDX-License-Identifier: Apache-2.0

/// A non-blocking stream socket; when it goes away, the loop forgets and closes it.
package struct Socket: ~Copyable, Sendable {
    package let descriptor: Int32

    /// Takes over an open, non-blocking descriptor.
    package init(adopting descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        EventLoop.close(descriptor)
    }

    /// Starts a connection.
    ///
    /// It is connected, or has failed, when the socket can be written; ``connectResult()`` then has the result.
    package static func connecting(to address: SocketAddress) throws(SystemError) -> Socket {
        let socket = Socket(adopting: try Platform.makeStreamSocket(family: address.family))
        try Platform.connect(socket.descriptor, to: address)
        Platform.disableNagle(socket.descriptor)
        return socket
    }

    /// Listens on `address`.
    package static func listening(on address: SocketAddress) throws(SystemError) -> Socket {
        let socket = Socket(adopting: try Platform.makeStreamSocket(family: address.family))
        Platform.allowAddressReuse(socket.descriptor)
        try Platform.listen(socket.descriptor, on: address)
        return socket
    }

    /// The next waiting connection of a listener, or nil when there is none.
    package func acceptConnection() throws(SystemError) -> Int32? {
        let descriptor = try Platform.acceptConnection(descriptor)
        if let descriptor { Platform.disableNagle(descriptor) }
        return descriptor
    }

    package func connectResult() throws(SystemError) {
        try Platform.connectResult(descriptor)
    }

    package func localPort() throws(SystemError) -> UInt16 {
        try Platform.localPort(of: descriptor)
    }

    /// Sends what fits and returns its length.
    package borrowing func send(_ bytes: UnsafeRawBufferPointer) throws(SystemError) -> Int {
        if bytes.isEmpty { return 0 }
        return try Platform.send(descriptor, bytes)
    }

    /// Receives what is there: nil when nothing is, 0 at the end of the stream.
    package borrowing func receive(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int? {
        try Platform.receive(descriptor, into: buffer)
    }
}

/// A socket address in the form the system calls take.
package struct SocketAddress: Sendable, Hashable {
    package let family: Int32
    /// The bytes of a `sockaddr`.
    let bytes: [UInt8]

    /// A name that could not be looked up.
    package struct LookupError: Error, Sendable, CustomStringConvertible {
        package let host: String
        package let reason: String
        /// It is known that there is no such name; otherwise it could not be found out.
        package let isUnknown: Bool

        package var description: String { "cannot look up \"\(host)\": \(reason)" }
    }
}
