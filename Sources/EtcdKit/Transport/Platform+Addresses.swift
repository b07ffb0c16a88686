// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The names and addresses of hosts.
extension Platform {
    #if canImport(Darwin)
        private static let noAddress = EAI_NODATA
    #else
        private static let noAddress: Int32 = -5  // EAI_NODATA, which Glibc hides from Swift
    #endif

    /// Looks `host` up, waiting for the answer; with `numeric`, only parses an IP address, without a look-up.
    package static func addresses(
        of host: String,
        port: UInt16,
        numeric: Bool
    ) -> Result<[SocketAddress], SocketAddress.LookupError> {
        var hints = addrinfo()
        hints.ai_socktype = stream
        hints.ai_flags = numeric ? AI_NUMERICHOST | AI_NUMERICSERV : AI_NUMERICSERV
        var head: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &head)
        guard code == 0 else {
            // The other errors do not show whether there is such a name.
            let isUnknown = code == EAI_NONAME || code == noAddress
            let reason = String(cString: gai_strerror(code))
            return .failure(SocketAddress.LookupError(host: host, reason: reason, isUnknown: isUnknown))
        }
        defer { freeaddrinfo(head) }
        var addresses: [SocketAddress] = []
        var next = head
        while let info = next {
            if let address = info.pointee.ai_addr {
                let bytes = UnsafeRawBufferPointer(start: address, count: Int(info.pointee.ai_addrlen))
                addresses.append(SocketAddress(family: info.pointee.ai_family, bytes: [UInt8](bytes)))
            }
            next = info.pointee.ai_next
        }
        return .success(addresses)
    }

    /// The address of a unix socket, or nil if the path is too long for one.
    package static func unixAddress(_ path: String) -> SocketAddress? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let start = MemoryLayout<sockaddr_un>.size - MemoryLayout.size(ofValue: address.sun_path)
        let bytes = withUnsafeBytes(of: &address) { Array($0.prefix(start)) } + path.utf8 + [0]
        return bytes.count <= MemoryLayout<sockaddr_un>.size ? SocketAddress(family: AF_UNIX, bytes: bytes) : nil
    }

    /// The address as `IP:PORT`, with an IPv6 address in brackets; nil for one without a port.
    static func text(of address: SocketAddress) -> String? {
        guard address.family == AF_INET || address.family == AF_INET6 else { return nil }
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        var port = [CChar](repeating: 0, count: Int(NI_MAXSERV))
        let code = withSockaddr(address) { pointer, length in
            let sizes = (socklen_t(host.count), socklen_t(port.count))
            return getnameinfo(pointer, length, &host, sizes.0, &port, sizes.1, NI_NUMERICHOST | NI_NUMERICSERV)
        }
        guard code == 0 else { return nil }
        return address.family == AF_INET6 ? "[\(string(host))]:\(string(port))" : "\(string(host)):\(string(port))"
    }

    static func withSockaddr<R>(_ address: SocketAddress, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R)
        -> R
    {
        var storage = sockaddr_storage()
        let count = min(address.bytes.count, MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutableBytes(of: &storage) { $0.copyBytes(from: address.bytes.prefix(count)) }
        return withUnsafePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(count)) }
        }
    }
}
