// SPDX-License-Identifier: Apache-2.0

/// Finds flags that require themselves, or too much.
///
/// Each flag is looked at by itself, so what is found does not depend on an order: all flags of a circle have an error,
/// and what is evaluated for the others is bounded.
struct PrerequisiteCheck {
    /// How many flags may be evaluated for one.
    private static let maximumVisits = 100

    /// All flags, each with those that it requires.
    private let flags: [String: [String]]
    private var path: [String] = []
    private var visits = 0

    init(flags: [String: [String]]) { self.flags = flags }

    /// What is wrong with flags, by their names.
    mutating func errors() -> [String: FlagError] {
        var errors: [String: FlagError] = [:]
        for (name, required) in flags where !required.isEmpty {
            visits = 0
            let missing = required.first { flags[$0] == nil }.map { "it requires \($0), which there is not" }
            guard let message = missing ?? obstacle(at: name) else { continue }
            errors[name] = FlagError(name, .prerequisite, message)
        }
        return errors
    }

    private mutating func obstacle(at name: String) -> String? {
        visits += 1
        if visits > Self.maximumVisits { return "it requires more than \(Self.maximumVisits) flags" }
        path.append(name)
        defer { path.removeLast() }
        for required in flags[name] ?? [] {
            if required == path.first {
                return "it requires itself: \((path + [required]).joined(separator: " requires "))"
            }
            // A circle that does not lead back to the flag is for its members to tell.
            if !path.contains(required), let obstacle = obstacle(at: required) { return obstacle }
        }
        return nil
    }
}
