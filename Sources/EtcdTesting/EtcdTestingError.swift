// SPDX-License-Identifier: Apache-2.0

/// An error of a test cluster or a fault proxy.
public struct EtcdTestingError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String {
            case binaryNotFound, startFailed, notReady, stopped, system
        }

        private let kind: Kind

        /// No etcd server program was found, or the requested one cannot be run.
        public static let binaryNotFound = Code(kind: .binaryNotFound)
        /// etcd exited instead of starting; the message contains its log.
        public static let startFailed = Code(kind: .startFailed)
        /// A member did not become ready in time; the message contains its log.
        public static let notReady = Code(kind: .notReady)
        /// The cluster has been stopped and removed.
        public static let stopped = Code(kind: .stopped)
        /// The operating system refused a process, a socket or a folder.
        public static let system = Code(kind: .system)

        /// The code's name.
        public var description: String { kind.rawValue }
    }

    /// The kind of failure.
    public let code: Code

    /// A description of the failure.
    public let message: String

    /// The code and the message.
    public var description: String { "\(code): \(message)" }
}
