// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// The value of the key of a task, as JSON.
struct TaskRecord: Codable, Sendable, Equatable {
    /// The last slot that was claimed, in milliseconds of Unix time.
    var slot: Int64
    /// The candidate that has claimed it, and its term.
    var leader: String
    var term: Int64
    /// Tells the claims of two runs in one term apart; nil in the records of early versions.
    var nonce: String?
    /// The outcome; nil while it is not known.
    var outcome: Outcome?
    /// The error of the body, if it has thrown one.
    var error: String?
    /// The last slot for which the body has returned.
    var completed: Int64?
    /// How many slots were given up.
    var missed: Int64

    enum Outcome: String, Codable {
        case completed, failed, skipped
    }

    init(slot: Int64, leader: String, term: Revision, nonce: String? = nil) {
        self.slot = slot
        self.leader = leader
        self.term = term.rawValue
        self.nonce = nonce
        missed = 0
    }

    /// Decodes an entry.
    ///
    /// - Throws: ``EtcdError`` with the code `invalidArgument` if the value is something else.
    init(_ entry: KeyValue) throws(EtcdError) {
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(entry.value.bytes))
        } catch {
            throw Self.error(entry, error)
        }
        let times = [slot, completed ?? 0, missed]
        if times.contains(where: { $0.magnitude > TaskSchedule.bound }) { throw Self.error(entry, nil) }
    }

    private static func error(_ entry: KeyValue, _ cause: (any Error)?) -> EtcdError {
        let message = "\(entry.key) is no record of a leader task: \"\(entry.value)\""
        return EtcdError(.invalidArgument, message, cause: cause)
    }

    var value: Value {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            return Value(bytes: Array(try encoder.encode(self)))
        }
    }
}
