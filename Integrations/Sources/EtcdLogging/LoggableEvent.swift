// SPDX-License-Identifier: Apache-2.0

public import Logging

/// An event with its line in the log; see `Logger.log(_:)`.
public protocol LoggableEvent: Sendable {
    /// The line for the event.
    var logLine: LogLine { get }
}

/// A line in the log, before it is written.
public struct LogLine: Sendable {
    /// The level of the line.
    public var level: Logger.Level
    /// The message: the same for all events of one kind, except for alerts and findings, which have a summary.
    public var message: Logger.Message
    /// The error behind the event, if there is one.
    public var error: (any Error)?
    /// The details of the event; made when the line is written.
    public var metadata: @Sendable () -> Logger.Metadata

    /// Makes a line.
    ///
    /// - Parameters:
    ///   - level: The level of the line.
    ///   - message: The message; if it is the same for all events of one kind, they can be searched for and counted.
    ///   - error: The error behind the event.
    ///   - metadata: The details of the event; made when the line is written.
    public init(
        _ level: Logger.Level,
        _ message: Logger.Message,
        error: (any Error)? = nil,
        _ metadata: @autoclosure @escaping @Sendable () -> Logger.Metadata = [:]
    ) {
        self.level = level
        self.message = message
        self.error = error
        self.metadata = metadata
    }
}

extension Logger {
    /// Writes an event of etcd-kit, if its level is logged.
    ///
    /// ```swift
    /// let election = try LeaderElection("scheduler", candidate: "node-1", on: .client(client)) { event in logger.log(event) }
    /// ```
    ///
    /// - Parameter event: The event of a client or of a pattern.
    public func log(_ event: some LoggableEvent) { write(event.logLine) }

    /// Writes a line, if its level is logged.
    func write(_ line: LogLine) {
        if line.level < logLevel { return }
        log(level: line.level, line.message, error: line.error, metadata: line.metadata())
    }
}
