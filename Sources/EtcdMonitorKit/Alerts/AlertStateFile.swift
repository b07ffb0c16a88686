// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// The file that keeps the state of a center over restarts.
///
/// It belongs to one center at a time.
///
/// It is replaced as a whole, so that it always contains either the old or the new state.
final class AlertStateFile: Sendable {
    let path: String
    /// Holds the lock while the file is in use.
    private let lock: FileHandle
    /// The revision of the saved state; nil before the first write.
    private let revision = Lock<Int?>(nil)
    /// The reason why the newest write failed.
    ///
    /// It is locked during a write, so that writers wait for each other.
    private let problem = Lock<String?>(nil)

    /// Opens and locks the file.
    ///
    /// - Throws: `EtcdError.Code.invalidArgument` if another center uses it, or it cannot be locked.
    init(_ path: String) throws(EtcdError) {
        self.path = path
        do {
            lock = try Self.open("\(path).lock", O_RDWR | O_CREAT | O_NOFOLLOW)
            if flock(lock.fileDescriptor, LOCK_EX | LOCK_NB) != 0 {
                throw Failure(reason: errno == EWOULDBLOCK ? "another monitor uses it" : Self.systemError)
            }
        } catch {
            let reason = "the state file \(path) cannot be used: \(Self.text(of: error))"
            throw EtcdError(.invalidArgument, reason)
        }
    }

    /// Reads the state; nil if there is no file yet.
    ///
    /// - Throws: `EtcdError.Code.invalidArgument` for a damaged file: to start anew would send every alert twice.
    func read() throws(EtcdError) -> AlertEngine.Saved? {
        do {
            let file: FileHandle
            do {
                file = try Self.open(path, O_RDONLY)
            } catch let error as Failure where error.isAbsence {
                return nil
            }
            let data = try file.readToEnd() ?? Data()
            return try Self.state(of: data)
        } catch {
            throw EtcdError(
                .invalidArgument,
                "the state file \(path) cannot be read: \(Self.text(of: error)); restore or remove it",
                cause: error
            )
        }
    }

    /// Whether the file contains this revision of the state.
    ///
    /// Does not wait for a write.
    func has(_ revision: Int) -> Bool { self.revision.withLock { $0 == revision } }

    /// Replaces the file if the state has changed since the last write.
    ///
    /// Writers wait for each other and get the state afterwards, so that an old state never replaces a newer one.
    ///
    /// - Parameter state: The current state and its revision; nil if the file has that revision.
    /// - Returns: A new reason why the file cannot be written; nil if it was written, or the reason is known.
    func save(_ state: (_ written: Int?) -> (revision: Int, state: AlertEngine.Saved)?) -> String? {
        problem.withLock { problem in
            guard let next = state(revision.withLock { $0 }) else { return nil }
            do throws(EtcdError) {
                try write(next.state)
                revision.withLock { $0 = next.revision }
                problem = nil
                return nil
            } catch {
                defer { problem = error.message }
                return error.message == problem ? nil : error.message
            }
        }
    }

    /// Replaces the file.
    ///
    /// - Throws: `EtcdError.Code.fileNotWritten`.
    func write(_ state: AlertEngine.Saved) throws(EtcdError) {
        do {
            let data = try Self.data(of: state)
            let name = "\(path).new"
            let file = try Self.open(name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)
            try file.write(contentsOf: data)
            try file.synchronize()
            try file.close()
            if rename(name, path) != 0 { throw Failure(reason: Self.systemError) }
            // The rename must survive a crash of the machine, too.
            let folder = (path as NSString).deletingLastPathComponent
            try? Self.open(folder.isEmpty ? "." : folder, O_RDONLY | O_DIRECTORY).synchronize()
        } catch {
            throw EtcdError(.fileNotWritten, "the state file \(path) cannot be written: \(Self.text(of: error))")
        }
    }

    private static func open(_ name: String, _ flags: Int32) throws -> FileHandle {
        let descriptor = Foundation.open(name, flags | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure(reason: systemError, isAbsence: errno == ENOENT) }
        return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    /// The encoded file for a state.
    static func data(of state: AlertEngine.Saved) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .secondsSince1970
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "+Inf",
            negativeInfinity: "-Inf",
            nan: "NaN"
        )
        return try encoder.encode(state)
    }

    /// The state in an encoded file.
    static func state(of data: Data) throws -> AlertEngine.Saved {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .secondsSince1970
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "+Inf",
            negativeInfinity: "-Inf",
            nan: "NaN"
        )
        let version = try decoder.decode(Version.self, from: data).version
        guard version == AlertEngine.Saved.version else { throw UnknownVersion(version: version) }
        return try decoder.decode(AlertEngine.Saved.self, from: data)
    }

    private struct Version: Decodable { var version: Int }

    private struct UnknownVersion: Error { var version: Int }

    /// An error of the file system.
    private struct Failure: Error {
        var reason: String
        /// Whether the file does not exist.
        var isAbsence = false
    }

    private static var systemError: String { String(cString: strerror(errno)) }

    private static func text(of error: any Error) -> String {
        switch error {
        case let error as Failure: error.reason
        case let error as UnknownVersion: "its version is \(error.version), not \(AlertEngine.Saved.version)"
        case let error as DecodingError: "it is not the JSON of a state (\("\(error)".oneLine.cut(to: 200)))"
        default: "\(error)".oneLine.cut(to: 200)
        }
    }
}
