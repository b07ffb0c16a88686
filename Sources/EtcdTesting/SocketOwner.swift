// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// Finds the process at the other end of a connection within this machine, through Linux's `/proc`.
///
/// A lookup takes milliseconds, so it runs outside the event loop, and one lookup answers all requests that have
/// arrived meanwhile.
@EventLoop
final class SocketOwner {
    nonisolated static let canBeFound = FileManager.default.fileExists(atPath: "/proc/self/net/tcp")

    /// A connection, identified by its ports.
    private struct Connection: Hashable, Sendable {
        let source: UInt16
        let target: UInt16
    }

    private struct Question: Sendable {
        let connection: Connection
        let answer: @EventLoop (_ place: Int?) -> Void
    }

    private static let queue = DispatchQueue(label: "SocketOwner")

    /// The processes to search.
    private let processes: @EventLoop () -> [pid_t?]
    private var questions: [Question] = []
    private var isLooking = false

    init(among processes: @escaping @EventLoop () -> [pid_t?]) {
        self.processes = processes
    }

    /// Finds the index of the process that opened this accepted connection; nil if none of them did.
    func find(ofPeer socket: CInt, _ answer: @escaping @EventLoop (_ place: Int?) -> Void) {
        guard let ports = POSIX.ports(of: socket) else { return answer(nil) }
        let connection = Connection(source: ports.peer, target: ports.own)
        questions.append(Question(connection: connection, answer: answer))
        look()
    }

    private func look() {
        guard !isLooking, !questions.isEmpty else { return }
        isLooking = true
        let (asked, processes) = (questions, processes())
        questions = []
        Self.queue.async {
            let inodes = Self.inodes(of: Set(asked.map(\.connection)))
            let places = Self.places(of: Set(inodes.values), among: processes)
            EventLoop.execute {
                self.isLooking = false
                for question in asked { question.answer(inodes[question.connection].flatMap { places[$0] }) }
                self.look()
            }
        }
    }

    /// The inodes of the sockets that opened the connections.
    private nonisolated static func inodes(of connections: Set<Connection>) -> [Connection: Substring] {
        var inodes: [Connection: Substring] = [:]
        for line in table().split(separator: "\n").dropFirst() {
            // Number, own address, peer's address, seven columns of state, inode, in hexadecimal digits.
            let columns = line.split(separator: " ", maxSplits: 10)
            guard columns.count > 9, let source = port(columns[1]), let target = port(columns[2]) else { continue }
            let connection = Connection(source: source, target: target)
            if connections.contains(connection) { inodes[connection] = columns[9] }
        }
        return inodes
    }

    private nonisolated static func port(_ address: Substring) -> UInt16? {
        address.split(separator: ":").last.flatMap { UInt16($0, radix: 16) }
    }

    /// All IPv4 connections.
    ///
    /// Foundation takes the first short read of such a file for its end.
    private nonisolated static func table() -> String {
        let file = open("/proc/self/net/tcp", O_RDONLY)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while case let count = read(file, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The indices of the processes that own the sockets with these inodes.
    private nonisolated static func places(of inodes: Set<Substring>, among processes: [pid_t?]) -> [Substring: Int] {
        let targets = Dictionary(uniqueKeysWithValues: inodes.map { ("socket:[\($0)]", $0) })
        var places: [Substring: Int] = [:]
        for (place, process) in processes.enumerated() {
            guard let process else { continue }
            let folder = "/proc/\(process)/fd"
            for descriptor in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
                let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(descriptor)")
                if let inode = target.flatMap({ targets[$0] }) { places[inode] = place }
            }
        }
        return places
    }
}
