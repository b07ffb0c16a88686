// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Foundation
import Testing

@testable import EtcdKit

@Suite("OpenSSL", .cluster, .timeLimit(.minutes(1)))
struct OpenSSLTests {
    @Test("frees nothing when the process exits, if the first use is to read a file")
    func file() async {
        await #expect(processExitsWith: .success) {
            _ = try TLSPEM(file: #filePath)
            OpenSSL.prepare()
            OPENSSL_atexit { _exit(7) }
            exit(0)
        }
    }

    @Test("frees nothing when the process exits, if the first use is to read PEM from memory")
    func memory() async {
        await #expect(processExitsWith: .success) {
            _ = try? TLSPEM(name: "noise", bytes: [1]).certificates()
            OpenSSL.prepare()
            OPENSSL_atexit { _exit(7) }
            exit(0)
        }
    }

    @Test("the control: without preparation, a handler runs when the process exits")
    func control() async {
        await #expect(processExitsWith: .exitCode(7)) {
            ERR_clear_error()
            OpenSSL.prepare()
            OPENSSL_atexit { _exit(7) }
            exit(0)
        }
    }
}
