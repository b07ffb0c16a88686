// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The options of a ``ConfigManager``: a validator, and a file with a copy.
public struct ConfigOptions: Sendable {
    /// Throws if a state must not become current: the last good one stays, and the manager reports the error.
    ///
    /// A state is also refused if the validator reads a value of another type by a getter with a default. The validator
    /// should have no side effects.
    public var validate: (@Sendable (ConfigView) throws -> Void)?
    /// The file for the last good state, from which to start when etcd cannot be reached; nil for none.
    public var file: File?

    /// How long a start waits for etcd before it continues with the values of the file, or without values.
    ///
    /// The manager keeps trying, and ``ConfigManager/source`` shows the source of its state.
    public var initialWait: Duration

    /// Makes options; the parameters are their properties.
    public init(
        file: File? = nil,
        initialWait: Duration = .seconds(5),
        validate: (@Sendable (ConfigView) throws -> Void)? = nil
    ) {
        self.file = file
        self.initialWait = initialWait
        self.validate = validate
    }

    /// A file with the last good state.
    public struct File: Sendable, Hashable {
        /// The path of the file, in a folder that exists.
        public var path: String
        /// The maximum age of a state to start from; nil for any age.
        ///
        /// The age counts from the time when the state was last known to be current, by the system's clock.
        public var maximumAge: Duration?

        /// Describes the file; the parameters are its properties.
        public init(_ path: String, maximumAge: Duration? = nil) {
            self.path = path
            self.maximumAge = maximumAge
        }
    }
}

extension ConfigOptions {
    /// Throws if the validator refuses a state, or has got a default for a value of another type.
    func check(_ view: ConfigView) throws(ConfigError) {
        guard let validate else { return }
        let mistake = Lock<ConfigError?>(nil)
        do {
            try validate(view.reporting { error in mistake.withLock { $0 = $0 ?? error } })
        } catch {
            let refusal = "the configuration is refused: \(error)"
            throw error as? ConfigError ?? ConfigError(.invalid, refusal, cause: error)
        }
        if let error = mistake.withLock({ $0 }) { throw error }
    }
}

/// A state of a configuration that did not become current.
public struct ConfigRejection: Sendable, CustomStringConvertible {
    /// The revision of the state.
    public let revision: Revision
    /// The mistake in it, with the key if the validator names it or a getter has found it.
    public let error: ConfigError

    /// Makes a rejection, for tests; the parameters are its properties.
    public init(revision: Revision, error: ConfigError) {
        self.revision = revision
        self.error = error
    }

    /// The revision and the mistake in one line.
    public var description: String { "revision \(revision): \(error)" }
}
