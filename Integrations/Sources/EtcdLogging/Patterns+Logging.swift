// SPDX-License-Identifier: Apache-2.0

import EtcdKit
public import EtcdPatterns
import Foundation
import Logging

extension LeaderElection.Event: LoggableEvent {
    /// The line for the event.
    public var logLine: LogLine {
        switch self {
        case .hindered(let error): LogLine(.warning, "a candidacy has failed, and is tried again", error: error)
        }
    }
}

extension LeaderTask.Event: LoggableEvent {
    /// The line for the event.
    public var logLine: LogLine {
        switch self {
        case .elected(let term):
            LogLine(.notice, "this process runs the task", ["etcd.fencing_token": "\(term.fencingToken)"])
        case .defeated(let loss):
            LogLine(.notice, "this process runs the task no longer", ["etcd.reason": "\(loss.reason)"])
        case .started(let slot): LogLine(.debug, "a run of the task starts", .slot(slot))
        case .completed(let slot): LogLine(.info, "a run of the task has ended", .slot(slot))
        case .failed(let slot, let error): LogLine(.error, "a run of the task has failed", error: error, .slot(slot))
        case .interrupted(let slot, let loss):
            LogLine(.warning, "a run of the task was interrupted", error: loss, .slot(slot))
        case .missed(let count, let slot):
            LogLine(.warning, "runs of the task were missed", .slot(slot).merging(["etcd.count": "\(count)"]) { $1 })
        case .hindered(let error):
            LogLine(.warning, "the task cannot go on, and tries again", error: error)
        case .stopped(let error): LogLine(.error, "the task has stopped", error: error)
        }
    }
}

extension ShardCoordinator.Event: LoggableEvent {
    /// The line for the event.
    public var logLine: LogLine {
        switch self {
        case .waitingForID: LogLine(.info, "another member has this ID, and is waited for")
        case .joined: LogLine(.notice, "this member has joined")
        case .left(let loss): LogLine(.warning, "this member has lost its place", error: loss)
        case .owned(let shard): LogLine(.info, "a shard is owned", .shard(shard))
        case .handedOff(let shard): LogLine(.info, "a shard is handed over", .shard(shard))
        case .lost(let shard, let loss): LogLine(.warning, "a shard is lost", error: loss, .shard(shard))
        case .ended(let shard, nil): LogLine(.info, "the work on a shard has ended", .shard(shard))
        case .ended(let shard, let error?):
            LogLine(.error, "the work on a shard has failed", error: error, .shard(shard))
        case .overran(let shard):
            LogLine(.error, "the work on a shard goes on although it was cancelled", .shard(shard))
        case .failed(let error): LogLine(.warning, "the shards cannot be followed, and are tried again", error: error)
        }
    }
}

extension HighAvailabilityCoordinator.Event: LoggableEvent {
    /// The line for the event.
    public var logLine: LogLine {
        switch self {
        case .secondaryStarted: LogLine(.info, "this process is secondary")
        case .secondaryEnded(nil): LogLine(.debug, "the work of the secondary has ended")
        case .secondaryEnded(let error?): LogLine(.error, "the work of the secondary has failed", error: error)
        case .primaryStarted(let term):
            LogLine(.notice, "this process is primary", ["etcd.fencing_token": "\(term.fencingToken)"])
        case .primaryEnded(let term, nil):
            LogLine(
                .notice,
                "this process is primary no longer",
                ["etcd.fencing_token": "\(term.fencingToken)"]
            )
        case .primaryEnded(let term, let error?):
            LogLine(
                error is CoordinationLoss ? .warning : .error,
                "this process is primary no longer",
                error: error,
                ["etcd.fencing_token": "\(term.fencingToken)"]
            )
        case .overran(let role):
            LogLine(.error, "work goes on although it was cancelled", ["etcd.role": "\(role)"])
        }
    }
}

extension RegistrationState: LoggableEvent {
    /// The line for the state.
    public var logLine: LogLine {
        switch self {
        case .pending(let error): LogLine(error == nil ? .debug : .warning, "not registered yet", error: error)
        case .registered(let revision): LogLine(.info, "registered", ["etcd.revision": "\(revision)"])
        case .degraded(let error): LogLine(.warning, "the registration is not certain any more", error: error)
        case .superseded(let instance):
            LogLine(
                .error,
                "another process has registered as the same instance",
                ["etcd.instance": "\(instance.id)", "etcd.address": "\(instance.address):\(instance.port)"]
            )
        case .deregistered: LogLine(.info, "deregistered")
        }
    }
}

extension ServiceEvent: LoggableEvent {
    /// The line for the event.
    public var logLine: LogLine {
        let instance = instance
        return switch self {
        case .added: LogLine(.info, "an instance is new", .instance(instance))
        case .updated: LogLine(.debug, "an instance has changed", .instance(instance))
        case .removed(_, .deregistered): LogLine(.info, "an instance has left", .instance(instance))
        case .removed: LogLine(.warning, "an instance has vanished", .instance(instance))
        case .suspected:
            LogLine(.warning, "an instance has vanished along with many others, and is kept", .instance(instance))
        case .confirmed: LogLine(.info, "an instance that was suspected is there", .instance(instance))
        case .healthChanged(_, true): LogLine(.info, "an instance passes its checks again", .instance(instance))
        case .healthChanged(_, false): LogLine(.warning, "an instance fails its checks", .instance(instance))
        }
    }
}

extension ConfigManager.Event: LoggableEvent {
    /// The line for the event.
    public var logLine: LogLine {
        switch self {
        case .defaultUsed(let error):
            LogLine(.warning, "a value is of another type, and its default is used", .key(error.key))
        case .rejected(let rejection): rejection.logLine
        case .followingFailed(let error): LogLine(.warning, "the configuration cannot be followed", error: error)
        case .fileFailed(let error):
            LogLine(.warning, "the copy of the configuration cannot be read or written", error: error)
        }
    }
}

extension ConfigChange: LoggableEvent {
    /// The line for the change, with the key but not the value, which may be a secret.
    public var logLine: LogLine {
        let (key, revision) = (key, revision)
        return LogLine(.info, "the configuration has changed", ["etcd.key": "\(key)", "etcd.revision": "\(revision)"])
    }
}

extension ConfigRejection: LoggableEvent {
    /// The line for the rejection; without the error if that contains the value, which may be a secret.
    public var logLine: LogLine {
        let (key, code, revision) = (error.key, error.code, revision)
        return LogLine(
            .error,
            "a configuration is refused, and the last good one stays",
            error: error.value == nil ? error : nil,
            .key(key).merging(["etcd.code": "\(code)", "etcd.revision": "\(revision)"]) { $1 }
        )
    }
}

extension FlagError: LoggableEvent {
    /// The line for a broken definition.
    public var logLine: LogLine {
        let (flag, code) = (flag, code)
        return LogLine(
            .error,
            "the definition of a flag is broken, and its callers get their defaults",
            error: self,
            ["etcd.flag": "\(flag)", "etcd.code": "\(code)"]
        )
    }
}

extension Logger.Metadata {
    fileprivate static func key(_ key: EtcdKit.Key?) -> Logger.Metadata {
        key.map { ["etcd.key": "\($0)"] } ?? [:]
    }

    fileprivate static func slot(_ slot: Date) -> Logger.Metadata {
        ["etcd.slot": "\(slot.formatted(.iso8601))"]
    }

    fileprivate static func shard(_ shard: Shard) -> Logger.Metadata {
        ["etcd.shard": "\(shard.id)", "etcd.fencing_token": "\(shard.fencingToken)"]
    }

    fileprivate static func instance(_ instance: ServiceInstance) -> Logger.Metadata {
        [
            "etcd.service": "\(instance.service)", "etcd.instance": "\(instance.id)",
            "etcd.address": "\(instance.address):\(instance.port)", "etcd.status": "\(instance.status)",
        ]
    }
}
