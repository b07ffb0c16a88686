// SPDX-License-Identifier: Apache-2.0

/// Runs a program with given input, and reads its output.
package final class ChildProcess: Sendable {
    /// How a program has ended.
    package struct Outcome: Sendable {
        /// Its status, negative for the signal that has ended it; nil if the system does not tell.
        package let status: Int32?
        /// The beginning of its standard output.
        package let output: [UInt8]
        /// The beginning of its standard error.
        package let errors: [UInt8]
        /// It was killed because it took too long.
        package let isLate: Bool
    }

    private struct State {
        var isLate = false
        /// The number may belong to another process.
        var isReaped = false
    }

    private let id: Int32
    private let channels: ChildChannels
    private let state = Lock(State())

    private init(_ id: Int32, _ channels: ChildChannels) {
        self.id = id
        self.channels = channels
    }

    /// Runs a program; it is over, and has left nothing behind, when the call returns.
    ///
    /// It is killed when it takes too long, and when the task is cancelled.
    ///
    /// - Parameters:
    ///   - arguments: The program, with its path or a name to look for in `PATH`, and its arguments.
    ///   - environment: All of its environment.
    ///   - input: Its standard input.
    ///   - timeout: How long it may take.
    ///   - maximumOutput: How much is kept of its output and of its errors, in bytes; the rest is read and dropped.
    /// - Returns: How it has ended.
    /// - Throws: The error of the system, if it cannot be started.
    package static func run(
        _ arguments: [String],
        environment: [String: String],
        input: [UInt8],
        timeout: Duration,
        maximumOutput: Int = 64 << 10
    ) async throws(SystemError) -> Outcome {
        let child = try await start(arguments, environment)
        let timer = await EventLoop.schedule(at: .after(timeout)) { child.kill(isLate: true) }
        let (output, errors) = await withTaskCancellationHandler {
            async let output = read(child.channels.output, maximumOutput)
            async let errors = read(child.channels.errors, maximumOutput)
            await write(input, to: child.channels.input)
            return await (output, errors)
        } onCancel: {
            child.kill(isLate: false)
        }
        let status = await child.exit()
        await EventLoop.cancel(timer)
        return Outcome(
            status: status,
            output: output,
            errors: errors,
            isLate: child.state.withLock { $0.isLate }
        )
    }

    private static func start(
        _ arguments: [String],
        _ environment: [String: String]
    ) async throws(SystemError) -> ChildProcess {
        let channels = try await ChildChannels()
        defer { channels.closeTheirs() }
        let id = try Platform.spawn(arguments, environment: environment, descriptors: channels.theirs)
        return ChildProcess(id, channels)
    }

    /// A program that ends early does not read all of its input; its outcome says why, so the error is ignored here.
    private static func write(_ input: [UInt8], to stream: ByteStream) async {
        _ = try? await stream.write(input)
        stream.close()
    }

    private static func read(_ stream: ByteStream, _ maximum: Int) async -> [UInt8] {
        var bytes: [UInt8] = []
        while let chunk = try? await stream.read(), !chunk.isEmpty { bytes += chunk.prefix(maximum - bytes.count) }
        stream.close()
        return bytes
    }

    private func kill(isLate: Bool) {
        state.withLock { state in
            if state.isReaped { return }
            if isLate { state.isLate = true }
            Platform.killGroup(of: id)
        }
        // A process that has left the group may keep the other ends.
        for stream in [channels.input, channels.output, channels.errors] { stream.close() }
    }

    /// Waits for the end on a thread, since not every system has a descriptor for it.
    private func exit() async -> Int32? {
        await withCheckedContinuation { continuation in
            let wait: @Sendable () -> Void = { [self] in
                Platform.waitForExit(id)
                let status = state.withLock { state in
                    state.isReaped = true
                    return Platform.reap(id)
                }
                continuation.resume(returning: status)
            }
            do throws(SystemError) {
                try Platform.startThread(wait)
            } catch {
                kill(isLate: false)
                wait()
            }
        }
    }
}

/// The standard input, output and error of a child: streams at our ends, descriptors at its own.
private struct ChildChannels: Sendable {
    let input, output, errors: ByteStream
    /// In the order of its numbers.
    let theirs: [Int32]

    @EventLoop
    init() throws(SystemError) {
        var theirs: [Int32] = []
        func add() throws(SystemError) -> ByteStream {
            let ends = try Platform.makePipe()
            theirs.append(ends.write)
            let stream = ByteStream(Socket(adopting: ends.read), remoteAddress: "a child process")
            try Platform.makeBlocking(ends.write)
            return stream
        }
        do throws(SystemError) {
            input = try add()
            output = try add()
            errors = try add()
        } catch {
            for descriptor in theirs { Platform.close(descriptor) }
            throw error
        }
        self.theirs = theirs
    }

    func closeTheirs() {
        for descriptor in theirs { Platform.close(descriptor) }
    }
}
