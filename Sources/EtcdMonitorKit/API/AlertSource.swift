// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Alerts as the API sees them; ``AlertCenter`` documents the members.
protocol AlertSource: Sendable {
    var alerts: [Alert] { get }
    var history: [Alert] { get }
    var channelReports: [ChannelReport] { get }
    var silences: [Silence] { get }
    var auditRecords: [AuditRecord] { get }

    func reasonForSilence(of alert: Alert) -> String?
    func add(_ silence: Silence, by actor: String) async throws(EtcdError)
    func endSilence(_ id: Silence.ID, by actor: String) async throws(EtcdError)
    /// Adds a record to the audit log. Changes through the other members are recorded already.
    func record(_ record: AuditRecord) async
}
