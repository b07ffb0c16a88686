// SPDX-License-Identifier: Apache-2.0

/// Finds flags that require themselves, too many flags, or missing flags.
///
/// Each flag is checked by itself, so the result does not depend on an order: all flags of a circle have an error, and the
/// number of evaluations for the others is bounded.
struct PrerequisiteCheck {
    /// The number of flags that may be evaluated for one.
    static let maximumVisits = 100

    /// The error of the prerequisites of a flag.
    ///
    /// - Parameters:
    ///   - name: The name of the flag.
    ///   - required: The flags that a flag requires; nil if there is no such flag.
    /// - Returns: The error of the flag itself; nil if there is none.
    static func error(of name: String, _ required: (String) -> [String]?) -> FlagError? {
        var check = PrerequisiteCheck()
        let missing = required(name)?.first { required($0) == nil }.map { "it requires \($0), which does not exist" }
        return (missing ?? check.obstacle(at: name, required)).map { FlagError(name, .prerequisite, $0) }
    }

    static let tooMany = "it requires more than \(maximumVisits) flags"

    private var path: [String] = []
    private var visits = 0

    private mutating func obstacle(at name: String, _ flags: (String) -> [String]?) -> String? {
        visits += 1
        if visits > Self.maximumVisits { return Self.tooMany }
        path.append(name)
        defer { path.removeLast() }
        for required in flags(name) ?? [] {
            if required == path.first {
                return "it requires itself: \((path + [required]).joined(separator: " requires "))"
            }
            // A circle that does not lead back to the flag is an error of its members.
            if !path.contains(required), let obstacle = obstacle(at: required, flags) { return obstacle }
        }
        return nil
    }
}
