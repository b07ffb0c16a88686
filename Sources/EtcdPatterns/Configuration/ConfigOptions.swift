// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// What a ``ConfigManager`` asks of a configuration, and where it keeps a copy of it.
public struct ConfigOptions: Sendable {
    /// Throws if a state must not become current: the last good one stays, and the manager reports what was thrown.
    ///
    /// It reads the new state by the same getters as everybody. It should do nothing but compute.
    public var validate: (@Sendable (ConfigSnapshot) throws -> Void)?
    /// Where to keep the last good state, to start from when etcd is away; nil for nowhere.
    public var file: File?

    /// How long a start waits for etcd before it goes on with what there is: the file's values, or none, so that the
    /// defaults of getters count.
    ///
    /// The manager goes on trying, and ``ConfigManager/source`` tells what its state is.
    public var initialWait: Duration

    /// Makes options.
    ///
    /// - Parameters:
    ///   - file: Where to keep the last good state; nil for nowhere.
    ///   - initialWait: How long a start waits for etcd before it goes on with what there is.
    ///   - validate: Throws if a state must not become current; nil to take all.
    public init(
        file: File? = nil,
        initialWait: Duration = .seconds(5),
        validate: (@Sendable (ConfigSnapshot) throws -> Void)? = nil
    ) {
        self.file = file
        self.initialWait = initialWait
        self.validate = validate
    }

    /// A file with the last good state.
    public struct File: Sendable, Hashable {
        /// The path of the file, in a folder that exists.
        public var path: String
        /// How old a state may be to start from; nil for any age.
        ///
        /// The age counts from when the state was last known to be current, by the system's clock.
        public var maximumAge: Duration?

        /// Describes the file.
        ///
        /// - Parameters:
        ///   - path: The path of the file.
        ///   - maximumAge: How old a state may be to start from; nil for any age.
        public init(_ path: String, maximumAge: Duration? = nil) {
            self.path = path
            self.maximumAge = maximumAge
        }
    }
}

/// A state of a configuration that did not become current.
public struct ConfigRejection: Sendable {
    /// The revision of the state.
    public let revision: Revision
    /// What is wrong with it: the key, too, where the validator says so or a getter has thrown.
    public let error: ConfigError
}
