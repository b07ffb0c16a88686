// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("Connection strings of PostgreSQL", .unit)
struct PostgresConnectionTests {
    @Test(
        "are read as PostgreSQL's client library does",
        arguments: [
            ("postgresql://", [:]),
            ("postgres://h", ["PGHOST": "h"]),
            (
                "postgresql://u:p%40%2Fs@h:6000/d",
                ["PGHOST": "h", "PGPORT": "6000", "PGUSER": "u", "PGPASSWORD": "p@/s", "PGDATABASE": "d"]
            ),
            ("postgresql://u@h1:1,h2:2/d", ["PGHOST": "h1,h2", "PGPORT": "1,2", "PGUSER": "u", "PGDATABASE": "d"]),
            ("postgresql://[::1]:5/d", ["PGHOST": "::1", "PGPORT": "5", "PGDATABASE": "d"]),
            (
                "postgresql:///d?host=/run/pg&sslmode=verify-full",
                [
                    "PGHOST": "/run/pg", "PGDATABASE": "d", "PGSSLMODE": "verify-full",
                ]
            ),
            ("postgresql://%2Frun%2Fpg/d", ["PGHOST": "/run/pg", "PGDATABASE": "d"]),
            ("postgresql://h?user=u&password=a%20b", ["PGHOST": "h", "PGUSER": "u", "PGPASSWORD": "a b"]),
            ("host=h port=1 user=u dbname=d", ["PGHOST": "h", "PGPORT": "1", "PGUSER": "u", "PGDATABASE": "d"]),
            (" host = h\tsslmode = require ", ["PGHOST": "h", "PGSSLMODE": "require"]),
            (#"password='a \'b\' \\ c' user=a\ b"#, ["PGPASSWORD": #"a 'b' \ c"#, "PGUSER": "a b"]),
            ("password='' host=h", ["PGPASSWORD": "", "PGHOST": "h"]),
            ("", [:]),
        ] as [(String, [String: String])]
    )
    func reading(text: String, expected: [String: String]) throws {
        #expect(try PostgresConnection(text).environment == expected)
    }

    @Test(
        "are refused if they make no sense, and no part of them is quoted",
        arguments: [
            "postgresql://u:hunter2/x@h/d", "postgresql://u:hun@ter2@h/d", "postgresql://u:12/hunter2@h/d",
            "postgresql://u:hunter2?x@h/d", "postgresql://h:hunter2/d", "postgresql://u:%hunter2@h",
            "postgresql://[::1]hunter2/d", "postgresql://h/d?hunter2", "postgresql://h/d?hunter2=x",
            "postgresql://u:hunter2%00@h", "hunter2", "host=h hunter2", "hunter2=x", "password='hunter2",
            #"password=hunter2\"#, "mysql://u:hunter2@h/d",
        ]
    )
    func refusals(text: String) {
        let error = #expect(throws: HistorySinkError.self) { try PostgresConnection(text) }
        #expect(error?.message.hasPrefix("the connection string cannot be read: ") == true)
        #expect(error?.message.contains("hunter2") == false)
        #expect(error?.message.contains("ter2") == false)
    }
}
