// SPDX-License-Identifier: Apache-2.0

package import EtcdKit

/// Asks a monitor that serves on this machine whether its process works, as `/healthz` says.
package struct HealthCheck: Sendable {
    private let endpoint: Endpoint
    private let tls: TLSConfiguration

    /// Makes a check.
    ///
    /// - Parameters:
    ///   - host: The address on which the monitor listens; for all addresses, that of this machine is asked.
    ///   - port: Its port.
    ///   - certificate: The certificate and the key with which it serves by TLS; nil for plaintext.
    /// - Throws: ``EtcdError`` if there can be no such address.
    package init(host: String, port: UInt16, certificate: (chain: PEMSource, key: PEMSource?)?) throws {
        let host = ["0.0.0.0": "127.0.0.1", "::": "::1"][host] ?? host
        let scheme = certificate == nil ? "http" : "https"
        endpoint = try Endpoint("\(scheme)://\(Endpoint.authority(host, port))")
        // A server that asks for a certificate is shown its own.
        var tls = TLSConfiguration(certificateChain: certificate?.chain, privateKey: certificate?.key)
        // Its certificate is for the name by which others reach it, and the question has no secret.
        tls.dangerouslySkipsVerification = true
        self.tls = tls
    }

    /// Asks.
    ///
    /// - Returns: Why the monitor does not work; nil if it does.
    package func failure() async -> String? {
        do throws(HTTPClientError) {
            let answer = try await HTTPClient(tls: tls)
                .get("/healthz", at: endpoint, timeout: .seconds(4), maximumBody: 1 << 16)
            if answer.response.status == 200 { return nil }
            let lines = String(decoding: answer.body.prefix(200), as: UTF8.self).split(separator: "\n")
            let text = lines.joined(separator: "; ").filter { $0.isASCII && $0 >= " " }
            return "\(endpoint) answers \(answer.response.status): \(text)"
        } catch {
            return "\(endpoint): \(error.message)"
        }
    }
}
