// SPDX-License-Identifier: Apache-2.0

/// Parses the arguments of a program, flag by flag.
///
/// `--flag value` and `--flag=value` are equivalent.
package struct FlagReader {
    /// The newest argument, as it was given.
    package private(set) var argument = ""
    /// The newest flag without its value, such as `--endpoints`.
    package private(set) var flag = ""
    /// The text after the flag's `=`.
    private var attachedValue: String?
    private var rest: ArraySlice<String>

    package init(_ arguments: some Sequence<String>) {
        rest = Array(arguments)[...]
    }

    /// Moves to the next flag and returns it; nil if there is none.
    package mutating func next() -> String? {
        guard let argument = rest.popFirst() else { return nil }
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        self.argument = argument
        flag = parts[0]
        attachedValue = parts.count == 2 ? parts[1] : nil
        return flag
    }

    /// The value of the newest flag: the attached text, or the next argument.
    package mutating func value() throws(UsageError) -> String {
        if let attachedValue { return attachedValue }
        guard let next = rest.popFirst() else { throw UsageError("\(flag) needs a value") }
        return next
    }

    /// The value of a flag that may have no value, which means `true`.
    package var switchValue: String { attachedValue ?? "true" }

    /// The error for an unknown flag.
    ///
    /// It does not contain the value, which may be a secret.
    package func unknown(among known: [String]) -> UsageError {
        guard flag.hasPrefix("-") else { return UsageError("\"\(flag)\" is not a flag; see --help") }
        guard let nearest = flag.nearest(among: known) else { return UsageError("unknown flag \(flag); see --help") }
        return UsageError("unknown flag \(flag); did you mean \(nearest)?")
    }
}

extension Bool {
    /// Parses `true` or `false`.
    package init(text: String) throws(UsageError) {
        guard let value = Bool(text) else { throw UsageError("\"\(text)\" is neither true nor false") }
        self = value
    }
}

extension Duration {
    /// Parses a duration in etcdctl's format: a number with `ms`, `s`, `m` or `h`.
    package init(text: String) throws(UsageError) {
        let units: [(String, Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)]
        for (unit, seconds) in units where text.hasSuffix(unit) {
            guard let number = Double(text.dropLast(unit.count)), number > 0, number < 1_000_000 else { break }
            self = .seconds(number * seconds)
            return
        }
        throw UsageError("\"\(text)\" is not a time; write for example 500ms, 5s or 1m")
    }
}
