// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Tells which process is at the other end of a connection within this machine, by Linux's `/proc`.
enum SocketOwner {
    static let canBeFound = FileManager.default.fileExists(atPath: "/proc/self/net/tcp")

    /// The place in `processes` of the one that has connected to this accepted socket.
    static func ofPeer(_ socket: CInt, among processes: [pid_t?]) -> Int? {
        guard let ports = POSIX.ports(of: socket), let inode = inode(from: ports.peer, to: ports.own) else {
            return nil
        }
        return processes.firstIndex { $0.map { holds($0, "socket:[\(inode)]") } ?? false }
    }

    /// The inode of the socket of the side that has dialed.
    private static func inode(from source: UInt16, to target: UInt16) -> Substring? {
        for line in table().split(separator: "\n").dropFirst() {
            // Number, own address, peer's address, seven columns of state, inode, in hexadecimal digits.
            let columns = line.split(separator: " ", maxSplits: 10)
            if columns.count > 9, columns[1].hasSuffix(hex(source)), columns[2].hasSuffix(hex(target)) {
                return columns[9]
            }
        }
        return nil
    }

    /// All connections over IPv4.
    ///
    /// Foundation takes the first short read of such a file for its end.
    private static func table() -> String {
        let file = open("/proc/self/net/tcp", O_RDONLY)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while case let count = read(file, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func hex(_ port: UInt16) -> String {
        let digits = String(port, radix: 16, uppercase: true)
        return ":" + String(repeating: "0", count: 4 - digits.count) + digits
    }

    private static func holds(_ process: pid_t, _ target: String) -> Bool {
        let folder = "/proc/\(process)/fd"
        let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return descriptors.contains {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")) == target
        }
    }
}
