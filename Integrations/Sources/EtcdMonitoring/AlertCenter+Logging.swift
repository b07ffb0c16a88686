// SPDX-License-Identifier: Apache-2.0

public import EtcdLogging
public import EtcdMonitorKit
import Logging

extension AlertCenter.Event: LoggableEvent {
    /// The line for the event.
    public var logLine: LogLine {
        switch self {
        case .changed(let alert):
            LogLine(
                alert.state == .firing ? alert.severity.logLevel : min(.notice, alert.severity.logLevel),
                "an alert is \(alert.state): \(alert.summary)",
                [
                    "etcd.alert": "\(alert.name)", "etcd.severity": "\(alert.severity)",
                    "etcd.cluster": "\(alert.cluster)",
                ]
            )
        case .delivered(let channel, _, _): LogLine(.info, "a channel was told", ["etcd.channel": "\(channel)"])
        case .failed(let channel, _, let reason):
            LogLine(.error, "a channel could not be told", ["etcd.channel": "\(channel)", "etcd.reason": "\(reason)"])
        case .stateNotSaved(let reason):
            LogLine(.error, "the state of the alerts could not be saved", ["etcd.reason": "\(reason)"])
        case .audited(let record):
            LogLine(
                .notice,
                "a person has changed something",
                [
                    "etcd.actor": "\(record.actor)", "etcd.action": "\(record.action)",
                    "etcd.subject": "\(record.subject)",
                ]
            )
        }
    }
}

extension AlertSeverity {
    fileprivate var logLevel: Logger.Level {
        switch self {
        case .info: .info
        case .warning: .warning
        case .critical: .critical
        }
    }
}
