// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

/// The chapter "Configuration".
extension Snippets {
    static func configuration(_ client: EtcdClient) async throws {
        try await client.withConfiguration("config/app") { config in
            try await config.set("database/host", "localhost")
            try await config.set("database/port", 5432)
            let now = config.view
            print(try now.string("database/host"), try now.int("database/port"))
            print(config.duration("api/timeout", default: .seconds(30)))
            print(try config.value("database/user", as: String.self) ?? "nobody")
            print(config.values(under: "database"))
        }
    }

    static func configChanges(_ config: ConfigManager) async {
        for await change in config.changes(of: "api/timeout") {
            print("\(change.key) was \(change.old ?? "unset"), is \(change.new ?? "unset")")
        }
    }

    static func configViews(_ config: ConfigManager, _ reload: (ConfigView) -> Void) async {
        for await view in config.views { reload(view) }
    }

    static func configEdits(_ config: ConfigManager) async throws {
        try await config.update("api/limit", as: Int.self) { ($0 ?? 100) * 2 }
        try await config.change { edit in
            let host = try edit.value("database/host", as: String.self)
            try edit.set("database/standby", host ?? "localhost")
            try edit.delete("database/legacy")
        }
    }

    static func validatedConfiguration(_ client: EtcdClient) async throws {
        let options = ConfigOptions(file: .init("/var/lib/app/config", maximumAge: .seconds(86_400))) { config in
            let port = try config.int("database/port")
            if !(1...65_535).contains(port) { throw ConfigError.invalid("database/port", "is no port") }
        }
        let config = try await ConfigManager("config/app", client: client, options: options)
        switch config.source {
        case .etcd: print("as in etcd")
        case .file: print("from the file:", config.rejection?.error.message ?? "etcd is away")
        case .nothing: print("defaults only: etcd is away, and there is no file", config.fileFailure?.message ?? "")
        }
        for await rejection in config.rejections { print(rejection.revision, rejection.error) }
        await config.close()
    }

    static func configRepair(_ client: EtcdClient) async throws {
        let repair = try SnapshotManager("config/app", client: client)
        print(try await repair.list().records.map(\.name))
        try await repair.replace(with: ["database/host": "localhost", "database/port": 5432])
    }
}
