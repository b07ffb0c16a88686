// SPDX-License-Identifier: Apache-2.0

/// Durations as text, in the form of Go: numbers with units, the sum of which counts.
enum DurationText {
    private static let second: Int128 = 1_000_000_000_000_000_000
    /// In attoseconds; those of two letters come first, since `m` begins `ms`.
    private static let units: [(name: String, size: Int128)] = [
        ("ns", second / 1_000_000_000), ("us", second / 1_000_000), ("µs", second / 1_000_000),
        ("μs", second / 1_000_000), ("ms", second / 1000), ("h", second * 3600), ("m", second * 60), ("s", second),
    ]

    /// Reads `1h30m`, `2.5s`, `-250ms`, or a plain number of seconds; nil for anything else, and what is too long.
    static func parse(_ text: String) -> Duration? {
        func isOfNumber(_ character: Character) -> Bool { character.isASCII && character.isNumber || character == "." }
        let isNegative = text.hasPrefix("-")
        var rest = text.dropFirst(isNegative || text.hasPrefix("+") ? 1 : 0)
        if rest.isEmpty { return nil }
        if rest.allSatisfy(isOfNumber) { rest += "s" }
        var sum: Int128 = 0
        while !rest.isEmpty {
            let number = rest.prefix(while: isOfNumber)
            rest = rest.dropFirst(number.count)
            guard let unit = units.first(where: { rest.hasPrefix($0.name) }), let part = product(number, unit.size)
            else { return nil }
            rest = rest.dropFirst(unit.name.count)
            let (total, overflows) = sum.addingReportingOverflow(part)
            if overflows { return nil }
            sum = total
        }
        // The longest duration: as many seconds as `Int64` counts.
        guard sum / second < Int128(Int64.max) else { return nil }
        return Duration(attoseconds: isNegative ? -sum : sum)
    }

    /// A decimal number times `size`, cut off at attoseconds; nil if it is no number or the product is too large.
    private static func product(_ number: Substring, _ size: Int128) -> Int128? {
        let parts = number.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, parts.contains(where: { !$0.isEmpty }) else { return nil }
        let whole: Int128? = parts[0].isEmpty ? 0 : Int128(parts[0])
        guard let whole else { return nil }
        var (sum, overflows) = whole.multipliedReportingOverflow(by: size)
        if overflows { return nil }
        var place = size
        for digit in parts.dropFirst().joined() {
            place /= 10
            (sum, overflows) = sum.addingReportingOverflow(place * Int128(digit.wholeNumberValue ?? 0))
            if overflows { return nil }
        }
        return sum
    }

    /// The seconds, with as many decimals as it takes.
    static func format(_ duration: Duration) -> String {
        let all = duration.attoseconds
        let size = all.magnitude
        let (seconds, fraction) = size.quotientAndRemainder(dividingBy: second.magnitude)
        var decimals = String(fraction + second.magnitude).dropFirst()
        while decimals.last == "0" { decimals.removeLast() }
        return "\(all < 0 ? "-" : "")\(seconds)\(decimals.isEmpty ? "" : ".\(decimals)")s"
    }
}
