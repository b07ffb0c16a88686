// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

extension EtcdClient {
    /// Follows a configuration while `body` runs.
    ///
    /// - Parameters:
    ///   - name: The beginning of the keys, before a slash, such as `config/app`.
    ///   - options: A validator, and a file with a copy.
    ///   - onEvent: Gets each event, for logs; it should return at once.
    ///   - body: Uses the configuration, which ends with the scope. It runs on the caller's actor.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; what ``ConfigManager/init(_:client:options:onEvent:)`` throws.
    @discardableResult
    public func withConfiguration<Result>(
        _ name: String,
        options: ConfigOptions = ConfigOptions(),
        onEvent: @escaping @Sendable (ConfigManager.Event) -> Void = { _ in },
        _ body: (ConfigManager) async throws -> Result
    ) async throws -> Result {
        let config = try await ConfigManager(name, client: self, options: options, onEvent: onEvent)
        do {
            let result = try await body(config)
            await config.close()
            return result
        } catch {
            await config.close()
            throw error
        }
    }
}
