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
    ///
    /// The table has the connections of the whole machine, and all members' traffic waits meanwhile: it is only searched.
    private static func inode(from source: UInt16, to target: UInt16) -> String? {
        let rest = table().withUnsafeBufferPointer { table in
            table.baseAddress.flatMap { strstr($0, "\(address(source)) \(address(target)) ") }.map { found in
                String(decoding: UnsafeRawBufferPointer(start: found, count: min(strlen(found), 200)), as: UTF8.self)
            }
        }
        // Two addresses, seven columns of state, inode.
        let columns = rest?.split(separator: " ", maxSplits: 9) ?? []
        return columns.count > 8 ? String(columns[8]) : nil
    }

    /// 127.0.0.1 and a port, as the table has them.
    private static func address(_ port: UInt16) -> String {
        hex(UInt32(0x7f00_0001).bigEndian) + ":" + hex(port)
    }

    private static func hex<Number: FixedWidthInteger>(_ number: Number) -> String {
        let digits = String(number, radix: 16, uppercase: true)
        return String(repeating: "0", count: Number.bitWidth / 4 - digits.count) + digits
    }

    /// All connections over IPv4, and a zero at the end.
    ///
    /// Foundation takes the first short read of such a file for its end.
    private static func table() -> [CChar] {
        let file = open("/proc/self/net/tcp", O_RDONLY)
        guard file >= 0 else { return [0] }
        defer { close(file) }
        var text: [CChar] = []
        var buffer = [CChar](repeating: 0, count: 64 << 10)
        while case let count = read(file, &buffer, buffer.count), count > 0 { text += buffer[..<count] }
        return text + [0]
    }

    private static func holds(_ process: pid_t, _ target: String) -> Bool {
        let folder = "/proc/\(process)/fd"
        let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return descriptors.contains {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")) == target
        }
    }
}
