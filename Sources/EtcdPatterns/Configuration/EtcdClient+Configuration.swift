// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

extension EtcdClient {
    /// Follows a configuration while `body` runs.
    ///
    /// - Parameters:
    ///   - name: What the keys begin with, before a slash, such as `config/app`.
    ///   - options: What to check, and where to keep a copy.
    ///   - body: Uses the configuration, which ends with the scope. It runs where the caller runs.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; what ``ConfigManager/init(_:client:options:)`` throws.
    @discardableResult
    public func withConfiguration<Result>(
        _ name: Key,
        options: ConfigOptions = ConfigOptions(),
        _ body: (ConfigManager) async throws -> Result
    ) async throws -> Result {
        let config = try await ConfigManager(name, client: self, options: options)
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
