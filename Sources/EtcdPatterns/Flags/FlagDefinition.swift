// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A stored definition: one that can be evaluated, or one with an error.
enum FlagDefinition: Sendable {
    case flag(CompiledFlag)
    case faulty(FlagError)

    init(_ definition: FeatureFlag, name: String) {
        do throws(FlagError) {
            self = .flag(try CompiledFlag(definition, name: name))
        } catch {
            self = .faulty(error)
        }
    }

    /// Reads a stored definition.
    init(_ value: Value, name: String) {
        do throws(FlagError) {
            self.init(try FeatureFlag(value, of: name), name: name)
        } catch {
            self = .faulty(error)
        }
    }

    /// The flag, if it can be evaluated.
    var flag: CompiledFlag? {
        if case .flag(let flag) = self { flag } else { nil }
    }

    /// The names of the flags that it requires.
    var prerequisites: [String] { flag?.prerequisites.map(\.flag) ?? [] }

    /// The error of the definition by itself; nil if there is none.
    var error: FlagError? {
        switch self {
        case .flag(let flag): flag.mistake
        case .faulty(let error): error
        }
    }
}
