// SPDX-License-Identifier: Apache-2.0

/// One connection to some server, to see that it accepts and how its answer begins.
@EventLoop
package final class TCPProbe {
    private typealias Outcome = Result<[UInt8], EtcdError>

    /// More of an answer is not read.
    private static let limit = 16_384

    private let place: String
    private let isEnough: @Sendable ([UInt8]) -> Bool
    private let completion: Completion<Outcome>
    private var unsent: ArraySlice<UInt8>
    private var received: [UInt8] = []
    private var lookup: HostResolver.Lookup?
    private var race: AddressRace?
    private var socket: Socket?

    private init(
        _ place: String,
        _ request: [UInt8],
        _ isEnough: @escaping @Sendable ([UInt8]) -> Bool,
        _ completion: Completion<Outcome>
    ) {
        self.place = place
        self.isEnough = isEnough
        self.completion = completion
        unsent = request[...]
    }

    /// Connects, sends `request`, and reads until the answer is long enough or the server has ended its side.
    ///
    /// - Returns: The bytes that were read.
    /// - Throws: `unavailable`, `deadlineExceeded` or `cancelled`.
    package nonisolated static func run(
        host: String,
        port: UInt16,
        sending request: [UInt8] = [],
        timeout: Duration,
        until isEnough: @escaping @Sendable ([UInt8]) -> Bool = { _ in true }
    ) async throws(EtcdError) -> [UInt8] {
        let place = Endpoint.authority(host, port)
        return try await Completion.run(until: .after(timeout)) { interruption in
            interruption == .cancellation
                ? .cancelledTask : EtcdError(.deadlineExceeded, "no answer of \(place) within \(timeout)")
        } _: { completion in
            let probe = TCPProbe(place, request, isEnough, completion)
            // Holds the probe until it is over.
            completion.onEnd = { probe.stop() }
            probe.lookup = HostResolver.system.resolve(host, port: port) { [weak probe] in probe?.resolved($0) }
        }
    }

    private func resolved(_ answer: HostResolver.Answer) {
        switch answer {
        case .failure(let error): fail(error.description)
        case .success(let addresses):
            let race = AddressRace(
                addresses,
                onWin: { [weak self] in self?.isConnected($0) },
                onDefeat: { [weak self] in self?.fail($0.message) }
            )
            self.race = race
            race.start()
        }
    }

    private func isConnected(_ socket: consuming Socket) {
        let descriptor = socket.descriptor
        self.socket = consume socket
        EventLoop.watch(descriptor) { [weak self] _ in self?.move() }
        move()
    }

    /// Sends and receives what it can.
    private func move() {
        if isEnough(received) && unsent.isEmpty { return completion.complete(.success(received)) }
        do {
            guard let descriptor = socket?.descriptor else { return }
            while !unsent.isEmpty {
                let count = try unsent.withUnsafeBytes { bytes throws(SystemError) in try socket?.send(bytes) ?? 0 }
                if count == 0 { break }
                unsent = unsent.dropFirst(count)
            }
            var buffer = [UInt8](repeating: 0, count: 4096)
            while received.count < Self.limit {
                let count = try buffer.withUnsafeMutableBytes { bytes throws(SystemError) in
                    try socket?.receive(into: bytes)
                }
                guard let count else { break }
                if count == 0 { return completion.complete(.success(received)) }
                received += buffer.prefix(count)
            }
            if received.count >= Self.limit || isEnough(received) && unsent.isEmpty {
                return completion.complete(.success(received))
            }
            EventLoop.setInterest(of: descriptor, read: true, write: !unsent.isEmpty)
        } catch {
            fail("\(error)")
        }
    }

    private func fail(_ reason: String) {
        completion.complete(.failure(EtcdError(.unavailable, "\(place): \(reason)")))
    }

    private func stop() {
        lookup = nil
        race?.stop()
        race = nil
        socket = nil
    }
}
