// SPDX-License-Identifier: Apache-2.0

public import Configuration
import EtcdKit
public import EtcdPatterns

/// A configuration in etcd as a provider of swift-configuration.
///
/// ```swift
/// let etcd = try await ConfigManager("config/app", client: client)
/// let config = ConfigReader(providers: [EnvironmentVariablesProvider(), EtcdConfigProvider(etcd)])
/// let port = config.int(forKey: "database.port", default: 5432)
/// ```
///
/// The parts of a key are joined by slashes: `database.port` is the key `config/app/database/port` in etcd. A list is a
/// JSON array such as `["a", "b"]`, or plain text with commas such as `a,b`; a list of bytes has strings in base64.
///
/// Reads come from the local copy of the `ConfigManager`, and never wait. A watch continues across restarts of etcd.
public struct EtcdConfigProvider: ConfigProvider {
    /// The name of the provider, with the name of the configuration.
    public var providerName: String { "EtcdConfigProvider[\(config.name)]" }

    private let config: ConfigManager
    private let secrets: SecretsSpecifier<String, String>

    /// Makes a provider.
    ///
    /// - Parameters:
    ///   - config: The configuration, which the caller closes.
    ///   - secrets: Which values are secrets, by their keys within the configuration, such as `database/password`, and
    ///     their text in etcd.
    public init(_ config: ConfigManager, secrets: SecretsSpecifier<String, String> = .none) {
        self.config = config
        self.secrets = secrets
    }

    private var current: EtcdConfigSnapshot { snapshot(of: config.view) }

    private func snapshot(of state: ConfigView) -> EtcdConfigSnapshot {
        EtcdConfigSnapshot(providerName: providerName, state: state, secrets: secrets)
    }

    /// Reads a value from the newest local state.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - type: The requested type.
    /// - Returns: The value, if there is one.
    /// - Throws: `ConfigError` when the value is not of the type.
    public func value(forKey key: AbsoluteConfigKey, type: ConfigType) throws -> LookupResult {
        try current.value(forKey: key, type: type)
    }

    /// Reads a value from etcd.
    ///
    /// It does not run the validator of the `ConfigManager`.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - type: The requested type.
    /// - Returns: The value, if there is one.
    /// - Throws: `EtcdError` when etcd does not answer; `ConfigError` when the value is not of the type.
    public func fetchValue(forKey key: AbsoluteConfigKey, type: ConfigType) async throws -> LookupResult {
        let name = key.components.joined(separator: "/")
        // A change that writes nothing is a linearizable read.
        let bytes = try await config.change { edit in try edit.value(Key(name), as: [UInt8].self) }.result
        return try LookupResult(name, bytes.map { Value(bytes: $0) }, as: type, secrets)
    }

    /// Follows a value.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - type: The requested type.
    ///   - updatesHandler: Gets the current value, and then each different one; a slow handler skips values.
    /// - Returns: The result of the handler.
    /// - Throws: The errors of the handler.
    public func watchValue<Return: ~Copyable>(
        forKey key: AbsoluteConfigKey,
        type: ConfigType,
        updatesHandler: (
            _ updates: ConfigUpdatesAsyncSequence<Result<LookupResult, any Error>, Never>
        ) async throws -> Return
    ) async throws -> Return {
        let lookups = config.views.map { [self] state -> Result<LookupResult, any Error> in
            Result { try snapshot(of: state).value(forKey: key, type: type) }
        }
        return try await updatesHandler(ConfigUpdatesAsyncSequence(DistinctLookups(base: lookups)))
    }

    /// The newest local state: all its values are of one revision.
    ///
    /// - Returns: The state.
    public func snapshot() -> any ConfigSnapshot { current }

    /// Follows the state.
    ///
    /// - Parameter updatesHandler: Gets the current state, and then the newest one after each change.
    /// - Returns: The result of the handler.
    /// - Throws: The errors of the handler.
    public func watchSnapshot<Return: ~Copyable>(
        updatesHandler: (
            _ updates: ConfigUpdatesAsyncSequence<any ConfigSnapshot, Never>
        ) async throws -> Return
    ) async throws -> Return {
        let states = config.views.map { [self] state -> any ConfigSnapshot in snapshot(of: state) }
        return try await updatesHandler(ConfigUpdatesAsyncSequence(states))
    }
}

/// The values of one revision.
struct EtcdConfigSnapshot: ConfigSnapshot {
    let providerName: String
    let state: ConfigView
    let secrets: SecretsSpecifier<String, String>

    func value(forKey key: AbsoluteConfigKey, type: ConfigType) throws -> LookupResult {
        let name = key.components.joined(separator: "/")
        return try LookupResult(name, state[Key(name)], as: type, secrets)
    }
}

/// Lookups of one key without those that are equal to the previous one.
private struct DistinctLookups<Base: AsyncSequence & Sendable>: AsyncSequence, Sendable
where Base.Element == Result<LookupResult, any Error>, Base.Failure == Never {
    typealias Element = Base.Element
    typealias Failure = Never

    let base: Base

    func makeAsyncIterator() -> Iterator { Iterator(base: base.makeAsyncIterator()) }

    struct Iterator: AsyncIteratorProtocol {
        var base: Base.AsyncIterator
        /// The result of the previous lookup, which is nil for an error; nil before the first lookup.
        private var last: LookupResult??

        init(base: Base.AsyncIterator) { self.base = base }

        mutating func next() async -> Element? { await next(isolation: nil) }

        mutating func next(isolation actor: isolated (any Actor)?) async -> Element? {
            while let lookup = await base.next(isolation: actor) {
                // All errors of one key and type are equal.
                let result = try? lookup.get()
                if let last, last == result { continue }
                last = .some(result)
                return lookup
            }
            return nil
        }
    }
}
