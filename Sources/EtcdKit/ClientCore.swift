// SPDX-License-Identifier: Apache-2.0

/// The state that all copies of a client share.
///
/// When the last copy is gone, the connections are closed.
final class ClientCore: Sendable {
    let channel: Channel
    let watchHub: WatchHub
    let leaseKeeper: LeaseKeeper
    let background = BackgroundWork()
    /// Work whose result several callers wait for; it is cancelled when the client is closed.
    let common = BackgroundWork()
    fileprivate let parts = Lock<[ObjectIdentifier: any Sendable]>([:])

    /// The settings of the client.
    var configuration: EtcdClient.Configuration { channel.configuration }

    private let endpointSync = Lock<Task<Void, Never>?>(nil)

    init(_ configuration: EtcdClient.Configuration) {
        channel = Channel(configuration)
        watchHub = WatchHub(channel)
        leaseKeeper = LeaseKeeper(channel)
        guard let interval = configuration.endpointSyncInterval else { return }
        let task = Task { [weak self] in
            while (try? await Task.sleep(for: interval)) != nil, let core = self {
                do throws(EtcdError) {
                    try await EtcdClient(core).syncEndpoints()
                } catch {
                    configuration.onEvent?(.endpointSyncFailed(error))
                }
            }
        }
        endpointSync.withLock { $0 = task }
    }

    deinit {
        endpointSync.withLock { $0?.cancel() }
        EventLoop.execute { [channel, watchHub, leaseKeeper] in
            Self.close(channel, watchHub, leaseKeeper)
        }
    }

    func close() async {
        let sync = endpointSync.withLock { $0.take() }
        sync?.cancel()
        await background.close(within: .seconds(2))
        await Self.close(channel, watchHub, leaseKeeper)
        // Without connections, it fails at once.
        await common.close(within: .zero)
        await sync?.value
    }

    @EventLoop
    private static func close(_ channel: Channel, _ watchHub: WatchHub, _ leaseKeeper: LeaseKeeper) {
        watchHub.close()
        leaseKeeper.close()
        channel.close()
    }
}

extension EtcdClient {
    /// Something that another module keeps for all copies of the client: one of each type, made when it is first asked for.
    package func part<Part: AnyObject & Sendable>(_ make: () -> Part) -> Part {
        core.parts.withLock { parts in
            if let part = parts[ObjectIdentifier(Part.self)] as? Part { return part }
            let part = make()
            parts[ObjectIdentifier(Part.self)] = part
            return part
        }
    }
}
