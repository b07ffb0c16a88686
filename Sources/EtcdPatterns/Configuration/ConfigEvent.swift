// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

extension ConfigManager {
    /// Something that happened to a configuration, for logs.
    ///
    /// More kinds may be added, so a `switch` over events needs a `default`.
    public enum Event: Sendable, CustomStringConvertible {
        /// A getter has returned its default, because the value is of another type; reported once for each value.
        case defaultUsed(ConfigError)
        /// A state of the store was rejected, and the last good state stays.
        case rejected(ConfigRejection)
        /// The store cannot be followed at the moment; the manager keeps trying.
        case followingFailed(EtcdError)
        /// The file could not be read at the start, or not written.
        case fileFailed(ConfigError)

        /// The event and its error in one line.
        public var description: String {
            switch self {
            case .defaultUsed(let error): "the default is used: \(error)"
            case .rejected(let rejection): "rejected: \(rejection)"
            case .followingFailed(let error): "the store cannot be followed: \(error)"
            case .fileFailed(let error): "the file failed: \(error)"
            }
        }
    }
}

/// Reports the events of a configuration, and each value that a getter has replaced by its default only once.
final class ConfigReporter: Sendable {
    let onEvent: @Sendable (ConfigManager.Event) -> Void
    private let reported = Lock<[Key: String]>([:])

    init(_ onEvent: @escaping @Sendable (ConfigManager.Event) -> Void) { self.onEvent = onEvent }

    @Sendable
    func reportDefault(_ error: ConfigError) {
        let isNew = reported.withLock { $0.updateValue(error.message, forKey: error.key ?? "") != error.message }
        if isNew { onEvent(.defaultUsed(error)) }
    }
}
