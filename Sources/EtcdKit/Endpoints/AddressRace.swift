// SPDX-License-Identifier: Apache-2.0

/// Connects to one of several addresses, as "happy eyeballs" (RFC 8305) does: an attempt starts a moment after the one
/// before it, or at once when that has failed, and the first connection that stands wins.
///
/// The winner may still turn out to be unusable; ``goOn(after:)`` then tries the remaining addresses.
@EventLoop
final class AddressRace {
    /// How long an attempt runs before the next one starts.
    static let headStart: Duration = .milliseconds(250)

    private final class Attempt {
        let address: SocketAddress
        let descriptor: Int32
        var socket: Socket?

        init(_ address: SocketAddress) throws(SystemError) {
            let socket = try Socket.connecting(to: address)
            self.address = address
            descriptor = socket.descriptor
            self.socket = consume socket
        }
    }

    private var waiting: ArraySlice<SocketAddress>
    private var running: [Attempt] = []
    private(set) var winner: SocketAddress?
    private var failures: [(address: SocketAddress, error: ConnectionError)] = []
    private var timer: EventLoop.Timer?
    private let onWin: @EventLoop (consuming Socket) -> Void
    private let onDefeat: @EventLoop (ConnectionError) -> Void

    /// Prepares a race, which ``start()`` starts.
    ///
    /// `onWin` is called with each winner, and `onDefeat` when no address is left.
    init(
        _ addresses: [SocketAddress],
        onWin: @escaping @EventLoop (consuming Socket) -> Void,
        onDefeat: @escaping @EventLoop (ConnectionError) -> Void
    ) {
        waiting = Self.alternating(addresses)[...]
        self.onWin = onWin
        self.onDefeat = onDefeat
    }

    func start() {
        if let timer { EventLoop.cancel(timer) }
        timer = nil
        while let address = waiting.popFirst() {
            do {
                let attempt = try Attempt(address)
                running.append(attempt)
                EventLoop.watch(attempt.descriptor) { [weak self, weak attempt] _ in
                    if let attempt { self?.isDecided(attempt) }
                }
                EventLoop.setInterest(of: attempt.descriptor, read: false, write: true)
                if !waiting.isEmpty {
                    timer = EventLoop.schedule(at: .now + Self.headStart) { [weak self] in self?.start() }
                }
                return
            } catch {
                failures.append((address, ConnectionError(.refused, error.description)))
            }
        }
        if running.isEmpty { onDefeat(failure ?? ConnectionError(.refused, "the name has no address")) }
    }

    /// Notes why the last winner was unusable, and tries the other addresses.
    func goOn(after error: ConnectionError) {
        if let winner { failures.append((winner, error)) }
        winner = nil
        start()
    }

    /// Gives up the attempts that are under way; ``start()`` would make them again.
    func stop() {
        if let timer { EventLoop.cancel(timer) }
        timer = nil
        waiting = running.map(\.address) + waiting
        running = []
    }

    /// Why addresses have failed: the reason of each, if there are several.
    var failure: ConnectionError? {
        guard let last = failures.last?.error else { return nil }
        if failures.count == 1 { return last }
        let texts = failures.map { address, error in "\(Platform.text(of: address) ?? "the socket"): \(error)" }
        // An error from a server says more than another address that does not answer.
        let kind = failures.first { $0.error.kind.isMisconfiguration }?.error.kind ?? last.kind
        return ConnectionError(kind, texts.joined(separator: ", "))
    }

    private func isDecided(_ attempt: Attempt) {
        running.removeAll { $0 === attempt }
        guard let socket = attempt.socket.take() else { return }
        // The winner may not watch its socket for a while.
        EventLoop.unwatch(attempt.descriptor)
        do {
            try socket.connectResult()
            stop()
            winner = attempt.address
            onWin(consume socket)
        } catch {
            failures.append((attempt.address, ConnectionError(.refused, error.description)))
            start()
        }
    }

    /// The addresses in their order, but with the families taking turns.
    static func alternating(_ addresses: [SocketAddress]) -> [SocketAddress] {
        guard let family = addresses.first?.family else { return [] }
        var preferred = addresses.filter { $0.family == family }[...]
        var others = addresses.filter { $0.family != family }[...]
        var result: [SocketAddress] = []
        while result.count < addresses.count {
            if let next = preferred.popFirst() { result.append(next) }
            if let next = others.popFirst() { result.append(next) }
        }
        return result
    }
}
