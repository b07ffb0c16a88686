// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// In JSON, the keys are `kind`, `operations` or `duration_s`, `connections`, `callers`, `rate`, `key_size`,
/// `value_size`, `key_space`, `key_order`, `serializable`, `read_ratio`, `range_limit`, `seed`, `on_loop`, `prefix` and
/// `quota`. All except `kind` are optional.
extension BenchmarkOptions: Codable {
    private enum CodingKeys: String, CodingKey {
        case kind
        case operations
        case duration = "duration_s"
        case connections
        case callers
        case rate
        case keySize = "key_size"
        case valueSize = "value_size"
        case keySpace = "key_space"
        case keyOrder = "key_order"
        case serializable
        case readRatio = "read_ratio"
        case rangeLimit = "range_limit"
        case seed
        case onLoop = "on_loop"
        case prefix
        case quota
    }

    /// Decodes options.
    ///
    /// - Parameter decoder: The decoder.
    /// - Throws: `DecodingError`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(try container.decode(BenchmarkKind.self, forKey: .kind))
        func read<Value: Decodable>(_ key: CodingKeys, into value: inout Value) throws {
            value = try container.decodeIfPresent(Value.self, forKey: key) ?? value
        }
        if let seconds = try container.decodeIfPresent(Double.self, forKey: .duration) {
            amount = .duration(.seconds(min(max(seconds, 0), 1e10)))
        } else if let count = try container.decodeIfPresent(Int.self, forKey: .operations) {
            amount = .operations(count)
        }
        try read(.connections, into: &connections)
        try read(.callers, into: &callers)
        rate = try container.decodeIfPresent(Double.self, forKey: .rate)
        try read(.keySize, into: &keySize)
        try read(.valueSize, into: &valueSize)
        try read(.keySpace, into: &keySpace)
        try read(.keyOrder, into: &keyOrder)
        try read(.serializable, into: &serializable)
        try read(.readRatio, into: &readRatio)
        try read(.rangeLimit, into: &rangeLimit)
        try read(.seed, into: &seed)
        try read(.onLoop, into: &onLoop)
        prefix = try container.decodeIfPresent(String.self, forKey: .prefix).map { Key($0) }
        try read(.quota, into: &quota)
    }

    /// Encodes the options.
    ///
    /// - Parameter encoder: The encoder.
    /// - Throws: Any error of the encoder.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(kind, forKey: .kind)
        switch amount {
        case .operations(let count): try container.encode(count, forKey: .operations)
        case .duration(let duration): try container.encode(duration.inSeconds, forKey: .duration)
        }
        try container.encode(connections, forKey: .connections)
        try container.encode(callers, forKey: .callers)
        try container.encodeIfPresent(rate, forKey: .rate)
        try container.encode(keySize, forKey: .keySize)
        try container.encode(valueSize, forKey: .valueSize)
        try container.encode(keySpace, forKey: .keySpace)
        try container.encode(keyOrder, forKey: .keyOrder)
        try container.encode(serializable, forKey: .serializable)
        try container.encode(readRatio, forKey: .readRatio)
        try container.encode(rangeLimit, forKey: .rangeLimit)
        try container.encode(seed, forKey: .seed)
        try container.encode(onLoop, forKey: .onLoop)
        try container.encodeIfPresent(prefix?.description, forKey: .prefix)
        try container.encode(quota, forKey: .quota)
    }
}
