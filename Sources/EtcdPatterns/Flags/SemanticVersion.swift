// SPDX-License-Identifier: Apache-2.0

/// A version as semver.org orders them; minor and patch may be missing, and are 0 then.
struct SemanticVersion: Sendable, Hashable, Comparable {
    private enum Identifier: Sendable, Hashable {
        case number(UInt64)
        case text(String)
    }

    private let numbers: [UInt64]
    private let prerelease: [Identifier]

    /// Reads a version such as `2.10.0-rc.1+build`; nil if it is none.
    init?(_ text: String) {
        let core = text.prefix { $0 != "+" }
        let parts = core.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        var numbers: [UInt64] = []
        for part in parts.first?.split(separator: ".", omittingEmptySubsequences: false) ?? [] {
            guard Self.isNumeric(part), let number = UInt64(part) else { return nil }
            numbers.append(number)
        }
        if numbers.isEmpty || numbers.count > 3 { return nil }
        self.numbers = numbers + Array(repeating: 0, count: 3 - numbers.count)
        var prerelease: [Identifier] = []
        for part in parts.dropFirst().flatMap({ $0.split(separator: ".", omittingEmptySubsequences: false) }) {
            if part.isEmpty { return nil }
            if !Self.isNumeric(part) {
                prerelease.append(.text(String(part)))
            } else if let number = UInt64(part) {
                prerelease.append(.number(number))
            } else {
                return nil
            }
        }
        self.prerelease = prerelease
    }

    private static func isNumeric(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    static func < (left: Self, right: Self) -> Bool {
        if left.numbers != right.numbers { return left.numbers.lexicographicallyPrecedes(right.numbers) }
        // A release comes after what was released before it.
        if left.prerelease.isEmpty || right.prerelease.isEmpty {
            return !left.prerelease.isEmpty && right.prerelease.isEmpty
        }
        return left.prerelease.lexicographicallyPrecedes(right.prerelease) { left, right in
            switch (left, right) {
            case (.number(let left), .number(let right)): left < right
            case (.text(let left), .text(let right)): left.utf8.lexicographicallyPrecedes(right.utf8)
            case (.number, .text): true
            case (.text, .number): false
            }
        }
    }
}
