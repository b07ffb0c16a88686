// SPDX-License-Identifier: Apache-2.0

/// The version of the monitor.
package enum MonitorVersion {
    /// The version, as in the changelog.
    package static let current = "0.2.0"
}
