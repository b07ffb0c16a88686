// SPDX-License-Identifier: Apache-2.0

extension Thresholds: Codable {
    /// A limit and its kind, which determines the valid values.
    private enum Limit: Sendable {
        typealias Path<Value> = any WritableKeyPath<Thresholds, Value> & Sendable

        case number(Path<Double>)
        case ratio(Path<Double>)
        case optionalNumber(Path<Double?>)
        case count(Path<Int>)
        case optionalCount(Path<Int?>)
    }

    /// All limits by name.
    private static let limits: [(name: String, limit: Limit)] = [
        ("pollsNeeded", .count(\.pollsNeeded)),
        ("pollsConsidered", .count(\.pollsConsidered)),
        ("minimumVoters", .optionalCount(\.minimumVoters)),
        ("leaderlessSeconds", .number(\.leaderlessSeconds)),
        ("maximumLeaderChanges", .optionalCount(\.maximumLeaderChanges)),
        ("leaderChangesWindowSeconds", .number(\.leaderChangesWindowSeconds)),
        ("failedElections", .count(\.failedElections)),
        ("failedElectionsWindowSeconds", .number(\.failedElectionsWindowSeconds)),
        ("settlingSeconds", .number(\.settlingSeconds)),
        ("staleLeaderSeconds", .number(\.staleLeaderSeconds)),
        ("membershipDivergedSeconds", .number(\.membershipDivergedSeconds)),
        ("strangerSeconds", .number(\.strangerSeconds)),
        ("revisionRegressionSeconds", .number(\.revisionRegressionSeconds)),
        ("linkSilenceSeconds", .number(\.linkSilenceSeconds)),
        ("linkDownSeconds", .number(\.linkDownSeconds)),
        ("consensusHungSeconds", .number(\.consensusHungSeconds)),
        ("applyLagDegradedEntries", .number(\.applyLagDegradedEntries)),
        ("applyLagCriticalEntries", .number(\.applyLagCriticalEntries)),
        ("applyLagSeconds", .number(\.applyLagSeconds)),
        ("replicationLagDegradedEntries", .number(\.replicationLagDegradedEntries)),
        ("replicationLagCriticalEntries", .number(\.replicationLagCriticalEntries)),
        ("replicationLagSeconds", .number(\.replicationLagSeconds)),
        ("learnerLagEntries", .number(\.learnerLagEntries)),
        ("learnerLagSeconds", .number(\.learnerLagSeconds)),
        ("learnerForgottenSeconds", .number(\.learnerForgottenSeconds)),
        ("restarts", .count(\.restarts)),
        ("restartsWindowSeconds", .number(\.restartsWindowSeconds)),
        ("versionSkewSeconds", .number(\.versionSkewSeconds)),
        ("clockSpreadSeconds", .number(\.clockSpreadSeconds)),
        ("certificateDegradedDays", .number(\.certificateDegradedDays)),
        ("certificateCriticalDays", .number(\.certificateCriticalDays)),
        ("authorityDegradedDays", .number(\.authorityDegradedDays)),
        ("quotaNoticeRatio", .ratio(\.quotaNoticeRatio)),
        ("quotaDegradedRatio", .ratio(\.quotaDegradedRatio)),
        ("quotaCriticalRatio", .ratio(\.quotaCriticalRatio)),
        ("maximumDatabaseBytes", .optionalNumber(\.maximumDatabaseBytes)),
        ("growthWindowSeconds", .number(\.growthWindowSeconds)),
        ("growthMinimumSeconds", .number(\.growthMinimumSeconds)),
        ("growthMinimumRatio", .ratio(\.growthMinimumRatio)),
        ("growthDegradedSeconds", .number(\.growthDegradedSeconds)),
        ("growthNoticeSeconds", .number(\.growthNoticeSeconds)),
        ("fragmentationRatio", .ratio(\.fragmentationRatio)),
        ("fragmentationMinimumBytes", .number(\.fragmentationMinimumBytes)),
        ("fragmentationFreeRatio", .ratio(\.fragmentationFreeRatio)),
        ("fragmentationSeconds", .number(\.fragmentationSeconds)),
        ("fsyncNoticeSeconds", .number(\.fsyncNoticeSeconds)),
        ("fsyncDegradedSeconds", .number(\.fsyncDegradedSeconds)),
        ("fsyncCriticalSeconds", .number(\.fsyncCriticalSeconds)),
        ("commitNoticeSeconds", .number(\.commitNoticeSeconds)),
        ("commitDegradedSeconds", .number(\.commitDegradedSeconds)),
        ("commitCriticalSeconds", .number(\.commitCriticalSeconds)),
        ("diskWindowSeconds", .number(\.diskWindowSeconds)),
        ("diskMinimumWrites", .number(\.diskMinimumWrites)),
        ("slowDiskSeconds", .number(\.slowDiskSeconds)),
        ("maximumReadSeconds", .number(\.maximumReadSeconds)),
        ("criticalReadSeconds", .number(\.criticalReadSeconds)),
        ("slowReadsSeconds", .number(\.slowReadsSeconds)),
        ("pendingProposals", .number(\.pendingProposals)),
        ("pendingProposalsSeconds", .number(\.pendingProposalsSeconds)),
        ("failedProposals", .number(\.failedProposals)),
        ("failedProposalsWindowSeconds", .number(\.failedProposalsWindowSeconds)),
        ("requestErrorDegradedRatio", .ratio(\.requestErrorDegradedRatio)),
        ("requestErrorCriticalRatio", .ratio(\.requestErrorCriticalRatio)),
        ("requestErrorMinimumPerSecond", .number(\.requestErrorMinimumPerSecond)),
        ("requestErrorWindowSeconds", .number(\.requestErrorWindowSeconds)),
        ("slowWatchers", .number(\.slowWatchers)),
        ("slowWatchersRatio", .ratio(\.slowWatchersRatio)),
        ("slowWatchersSeconds", .number(\.slowWatchersSeconds)),
        ("fileDescriptorsRatio", .ratio(\.fileDescriptorsRatio)),
        ("maximumMemoryBytes", .optionalNumber(\.maximumMemoryBytes)),
        ("maximumCPUCores", .optionalNumber(\.maximumCPUCores)),
        ("cpuWindowSeconds", .number(\.cpuWindowSeconds)),
    ]

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// Decodes limits; those that are left out have their defaults.
    ///
    /// - Parameter decoder: The decoder.
    /// - Throws: A `DecodingError` that names the unknown or invalid limit.
    public init(from decoder: any Decoder) throws {
        self.init()
        let container = try decoder.container(keyedBy: Key.self)
        let names = Set(Self.limits.map(\.name))
        if let unknown = container.allKeys.map(\.stringValue).sorted().first(where: { !names.contains($0) }) {
            throw Self.invalid(unknown, "unknown threshold \"\(unknown)\"", in: container)
        }
        for (name, limit) in Self.limits where container.contains(Key(stringValue: name)) {
            func value<Value: Decodable & Comparable>(_ range: ClosedRange<Value>) throws -> Value {
                guard let value = try? container.decode(Value.self, forKey: Key(stringValue: name)) else {
                    let kind = Value.self == Int.self ? "whole number" : "number"
                    throw Self.invalid(name, "\(name) is not a \(kind)", in: container)
                }
                if range.contains(value) { return value }
                let reason = "\(name) is \(value), but must be from \(range.lowerBound) to \(range.upperBound)"
                throw Self.invalid(name, reason, in: container)
            }
            let isNil = try container.decodeNil(forKey: Key(stringValue: name))
            switch limit {
            case .number(let path): self[keyPath: path] = try value(0...1e15)
            case .ratio(let path): self[keyPath: path] = try value(0...1)
            case .optionalNumber(let path): self[keyPath: path] = isNil ? nil : try value(0...1e15)
            case .count(let path): self[keyPath: path] = try value(1...1000)
            case .optionalCount(let path): self[keyPath: path] = isNil ? nil : try value(0...1000)
            }
        }
        if pollsNeeded > pollsConsidered {
            let reason = "pollsNeeded is \(pollsNeeded), but must be at most pollsConsidered, \(pollsConsidered)"
            throw Self.invalid("pollsNeeded", reason, in: container)
        }
    }

    private static func invalid(
        _ name: String,
        _ reason: String,
        in container: KeyedDecodingContainer<Key>
    ) -> DecodingError {
        let path = container.codingPath + [Key(stringValue: name)]
        return .dataCorrupted(DecodingError.Context(codingPath: path, debugDescription: reason))
    }

    /// Encodes all limits; `null` stands for no limit.
    ///
    /// - Parameter encoder: The encoder.
    /// - Throws: Any error of the encoder.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        for (name, limit) in Self.limits {
            let key = Key(stringValue: name)
            switch limit {
            case .number(let path), .ratio(let path): try container.encode(self[keyPath: path], forKey: key)
            case .optionalNumber(let path): try container.encode(self[keyPath: path], forKey: key)
            case .count(let path): try container.encode(self[keyPath: path], forKey: key)
            case .optionalCount(let path): try container.encode(self[keyPath: path], forKey: key)
            }
        }
    }
}
