// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A report of a worker: a line of JSON, written when it is certain.
struct WorkerEvent: Sendable, Codable, Hashable {
    enum Kind: String, Sendable, Codable {
        /// The process is at work.
        case started
        /// It has the lock.
        case acquired
        /// It has read, and will write.
        case read
        /// At ``time`` it believed that it held the lock, by its clock.
        case held
        /// It is about to write.
        case attempted
        /// Its attempt took effect.
        case acknowledged
        /// Its attempt did not take effect, and will not.
        case refused
        /// It has given the lock up, or has lost it.
        case released
        /// An error, as it is expected under faults.
        case troubled
    }

    let kind: Kind
    /// In seconds, by a clock that all processes of a machine share.
    var time = Self.now
    /// The fencing token of the lock.
    var token: Int64?
    /// The name of the write, never used twice.
    var operation: String?
    var value: Int?
    var text: String?

    /// The text of an outcome that was unknown at first.
    static let foundOut = "found out"

    static var now: TimeInterval { ProcessInfo.processInfo.systemUptime }

    init(_ kind: Kind, token: Int64? = nil, operation: String? = nil, value: Int? = nil, text: String? = nil) {
        self.kind = kind
        self.token = token
        self.operation = operation
        self.value = value
        self.text = text
    }

    /// Makes an event of its line.
    init?(line: some Sequence<UInt8>) {
        guard let event = try? JSONDecoder().decode(Self.self, from: Data(line)) else { return nil }
        self = event
    }

    /// Writes the line, in one piece and at once.
    func tell() {
        guard let line = try? JSONEncoder().encode(self) else { return }
        try? FileHandle.standardOutput.write(contentsOf: line + [UInt8(ascii: "\n")])
    }
}
