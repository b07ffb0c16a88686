// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A client's request for a benchmark.
///
/// Each part has a limit, so that no mistake harms a cluster.
struct BenchmarkRequest: Decodable {
    /// The largest number of operations.
    static let mostOperations = 100_000
    /// The longest duration, in seconds.
    static let mostSeconds = 60.0
    /// The largest number of bytes to write, and to deliver to watches.
    static let mostBytes = 256 << 20
    /// The largest answer to one operation, in bytes.
    static let mostAnswerBytes = 1 << 20
    /// The largest size of the answers to all callers together, in bytes; a member and the monitor hold them at once.
    static let mostAnswersBytes = 64 << 20

    private let type: String
    private let operations: Double?
    private let duration: String?
    private let clients: Double?
    private let connections: Double?
    private let rate: Double?
    private let keySize: Double?
    private let valueSize: Double?
    private let keyCount: Double?
    private let keyOrder: String?
    private let serializable: Bool?
    private let readRatio: Double?
    private let rangeLimit: Double?
    private let seed: Double?

    private enum CodingKeys: CodingKey, CaseIterable {
        case type, operations, duration, clients, connections, rate, keySize, valueSize, keyCount, keyOrder
        case serializable, readRatio, rangeLimit, seed
    }

    init(from decoder: any Decoder) throws {
        let fields = try StrictFields<CodingKeys>(decoder)
        type = try fields.required(.type)
        operations = try fields.optional(.operations)
        duration = try fields.optional(.duration)
        clients = try fields.optional(.clients)
        connections = try fields.optional(.connections)
        rate = try fields.optional(.rate)
        keySize = try fields.optional(.keySize)
        valueSize = try fields.optional(.valueSize)
        keyCount = try fields.optional(.keyCount)
        keyOrder = try fields.optional(.keyOrder)
        serializable = try fields.optional(.serializable)
        readRatio = try fields.optional(.readRatio)
        rangeLimit = try fields.optional(.rangeLimit)
        seed = try fields.optional(.seed)
    }

    /// The options of the requested benchmark.
    /// - Throws: A problem that names the wrong field.
    func options() throws(Problem) -> BenchmarkOptions {
        var options = BenchmarkOptions(try Self.choice(type, "type"))
        options.amount = try amount(of: options.kind)
        options.callers = try Self.count(clients, "clients", 1...(options.kind.holds ? 10_000 : 256)) ?? options.callers
        options.connections = try Self.count(connections, "connections", 1...16) ?? options.connections
        options.rate = try checkedRate()
        options.keySize = try Self.count(keySize, "keySize", 1...1024) ?? options.keySize
        options.valueSize = try Self.count(valueSize, "valueSize", 0...65_536) ?? options.valueSize
        options.keySpace = try Self.count(keyCount, "keyCount", 1...100_000) ?? options.keySpace
        if let keyOrder { options.keyOrder = try Self.choice(keyOrder, "keyOrder") }
        options.serializable = serializable ?? options.serializable
        if let readRatio {
            guard (0...1).contains(readRatio) else {
                throw Problem(.invalidBody, "readRatio: must be a number from 0 to 1")
            }
            options.readRatio = readRatio
        }
        options.rangeLimit = try Self.count(rangeLimit, "rangeLimit", 1...1000) ?? options.rangeLimit
        options.seed = UInt64(try Self.count(seed, "seed", 0...(1 << 53)) ?? Int(options.seed))
        try checkSize(of: options)
        do throws(EtcdError) {
            return try options.checked()
        } catch {
            throw Problem(.invalidBody, error.message)
        }
    }

    private func checkedRate() throws(Problem) -> Double? {
        guard let rate else { return nil }
        guard (0.1...100_000).contains(rate) else {
            throw Problem(.invalidBody, "rate: must be a number of operations per second from 0.1 to 100000")
        }
        return rate
    }

    /// The end of the benchmark.
    ///
    /// If it writes for a duration, its rate bounds the number of operations.
    private func amount(of kind: BenchmarkKind) throws(Problem) -> BenchmarkOptions.Amount {
        guard let duration else {
            return .operations(try Self.count(operations, "operations", 1...Self.mostOperations) ?? 10_000)
        }
        if operations != nil { throw Problem(.invalidBody, "operations, duration: at most one of them is allowed") }
        guard let seconds = Parameters.seconds(duration), seconds <= Self.mostSeconds else {
            throw Problem(.invalidBody, "duration: must be a time such as 10s, at most 1m")
        }
        if kind.writes {
            guard let rate else { throw Problem(.invalidBody, "rate: missing, but a write benchmark needs it") }
            guard rate * seconds <= Double(Self.mostOperations) else {
                throw Problem(.invalidBody, "rate, duration: more than \(Self.mostOperations) operations")
            }
        }
        return .duration(.seconds(seconds))
    }

    private func checkSize(of options: BenchmarkOptions) throws(Problem) {
        let count =
            switch options.amount {
            case .operations(let count): Double(count)
            case .duration(let time): (options.rate ?? 0) * (time / .seconds(1))
            }
        let size = options.keySize + options.valueSize
        let written = (options.kind.writes ? count : 0) + Double(options.needsEntries ? options.keyCount : 0)
        // Each watch gets each value.
        let copies = options.kind == .watch ? 1 + options.callers : 1
        guard written * Double(size * copies) <= Double(Self.mostBytes) else {
            let act = options.kind == .watch ? "write and deliver" : "write"
            throw Problem(.invalidBody, "valueSize: the benchmark would \(act) more than \(Self.mostBytes >> 20) MiB")
        }
        guard options.kind == .range else { return }
        let answer = min(options.rangeLimit, options.keyCount) * size
        guard answer <= Self.mostAnswerBytes else {
            let limit = "\(Self.mostAnswerBytes >> 20) MiB"
            throw Problem(.invalidBody, "rangeLimit, valueSize: an answer would have more than \(limit)")
        }
        guard answer * options.callers <= Self.mostAnswersBytes else {
            let limit = "\(Self.mostAnswersBytes >> 20) MiB"
            throw Problem(.invalidBody, "clients, rangeLimit, valueSize: all answers would have more than \(limit)")
        }
    }

    private static func count(
        _ number: Double?,
        _ field: String,
        _ range: ClosedRange<Int>
    ) throws(Problem) -> Int? {
        guard let number else { return nil }
        guard let count = Int(exactly: number), range.contains(count) else {
            let bounds = "\(range.lowerBound) to \(range.upperBound)"
            throw Problem(.invalidBody, "\(field): must be a whole number from \(bounds)")
        }
        return count
    }

    private static func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ text: String,
        _ field: String
    ) throws(Problem) -> Choice {
        guard let choice = Choice(rawValue: text) else {
            let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw Problem(.invalidBody, "\(field): must be one of \(names)")
        }
        return choice
    }
}

extension BenchmarkKind {
    /// Whether its operations put or delete keys.
    fileprivate var writes: Bool {
        switch self {
        case .read, .range, .watches, .leases: false
        case .write, .mixed, .delete, .txn, .lock, .watch: true
        }
    }
}
