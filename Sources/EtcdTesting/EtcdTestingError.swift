// SPDX-License-Identifier: Apache-2.0

/// Why a throwaway etcd could not do what a test asked of it.
public struct EtcdTestingError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String {
            case binaryNotFound, startFailed, notReady, stopped, system
        }

        private let kind: Kind

        /// No etcd server program was found, or the one asked for cannot be run.
        public static let binaryNotFound = Code(kind: .binaryNotFound)
        /// etcd exited instead of starting; the message has its log.
        public static let startFailed = Code(kind: .startFailed)
        /// A member did not answer within the time allowed; the message has its log.
        public static let notReady = Code(kind: .notReady)
        /// The cluster has been stopped and removed.
        public static let stopped = Code(kind: .stopped)
        /// The operating system refused something: a process, a socket, a folder.
        public static let system = Code(kind: .system)

        /// The code's name.
        public var description: String { kind.rawValue }
    }

    /// The kind of failure.
    public let code: Code

    /// What happened, for people.
    public let message: String

    /// The code and the message.
    public var description: String { "\(code): \(message)" }
}
