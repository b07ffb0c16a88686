// SPDX-License-Identifier: Apache-2.0

package import EtcdKit

/// Checks through `/healthz` whether a monitor on this machine works.
package struct HealthCheck: Sendable {
    private let endpoint: Endpoint
    private let tls: TLSConfiguration

    /// Makes a check.
    ///
    /// - Parameters:
    ///   - host: The address on which the monitor listens; an address of all interfaces stands for the loopback
    ///     address.
    ///   - port: Its port.
    ///   - certificate: The certificate and the key of its TLS server; nil for plaintext.
    /// - Throws: ``EtcdError`` if the address is invalid.
    package init(host: String, port: UInt16, certificate: (chain: PEMSource, key: PEMSource?)?) throws {
        let host = ["0.0.0.0": "127.0.0.1", "::": "::1"][host] ?? host
        let scheme = certificate == nil ? "http" : "https"
        endpoint = try Endpoint("\(scheme)://\(Endpoint.authority(host, port))")
        // If the server asks for a client certificate, the check presents the server's own.
        var tls = TLSConfiguration(certificateChain: certificate?.chain, privateKey: certificate?.key)
        // The certificate is for another name, and the request contains no secret, so it is not verified.
        tls.dangerouslySkipsVerification = true
        self.tls = tls
    }

    /// Runs the check.
    ///
    /// - Returns: The reason why the monitor does not work; nil if it does.
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
