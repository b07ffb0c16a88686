// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Alerts as the API sees them; ``AlertCenter`` says what each member means.
protocol AlertSource: Sendable {
    var alerts: [Alert] { get }
    var history: [Alert] { get }
    var channelReports: [ChannelReport] { get }
    var silences: [Silence] { get }
    var auditRecords: [AuditRecord] { get }

    func reasonForSilence(of alert: Alert) -> String?
    func add(_ silence: Silence, by actor: String) throws(EtcdError)
    func endSilence(_ id: Silence.ID, by actor: String) throws(EtcdError)
    /// Notes something that no other member notes by itself.
    func record(_ record: AuditRecord)
}
