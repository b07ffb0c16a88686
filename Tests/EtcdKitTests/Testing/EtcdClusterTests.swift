// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdTesting

@Suite("EtcdCluster", .cluster, .timeLimit(.minutes(2)))
struct EtcdClusterTests {
    @Test("a member starts, answers, and leaves no process or folder behind")
    func oneMember() async throws {
        let cluster = try await EtcdCluster.start()
        let process = try #require(cluster.members[0].processID)
        #expect(cluster.endpoints == [cluster.members[0].endpoint])
        try await put("answer", "42", on: cluster.members[0])
        #expect(try await get("answer", on: cluster.members[0]) == "42")
        #expect(FileManager.default.fileExists(atPath: cluster.folder))

        await cluster.stop()
        #expect(!cluster.members[0].isRunning)
        #expect(!exists(process))
        #expect(!FileManager.default.fileExists(atPath: cluster.folder))

        await cluster.stop()
        await #expect(throws: EtcdTestingError.self) { try await cluster.members[0].restart() }
    }

    @Test("three members share their data, and go on without one")
    func threeMembers() async throws {
        try await withEtcdCluster(members: 3) { cluster in
            #expect(Set(cluster.endpoints).count == 3)
            try await put("shared", "yes", on: cluster.members[0])
            for member in cluster.members { #expect(try await get("shared", on: member) == "yes") }

            await cluster.members[0].kill()
            try await cluster.members[1].waitUntilReady()
            #expect(try await get("shared", on: cluster.members[1]) == "yes")
            try await cluster.members[0].restart()
            #expect(try await get("shared", on: cluster.members[0]) == "yes")
        }
    }

    @Test("a killed or stopped member comes back with its data", arguments: [false, true])
    func restart(gently: Bool) async throws {
        try await withEtcdCluster { cluster in
            let member = cluster.members[0]
            try await put("kept", "yes", on: member)
            let before = try #require(member.processID)
            if gently { await member.stop() } else { await member.kill() }
            #expect(!member.isRunning)
            #expect(!exists(before))
            await #expect(throws: EtcdTestingError.self) { try await get("kept", on: member) }

            try await member.restart()
            #expect(member.processID != before)
            #expect(try await get("kept", on: member) == "yes")
        }
    }

    @Test("a member is ready again with authentication on")
    func authentication() async throws {
        try await withEtcdCluster { cluster in
            let member = cluster.members[0]
            try await post("/v3/auth/user/add", #"{"name":"root","password":"secret"}"#, on: member)
            try await post("/v3/auth/user/grant", #"{"user":"root","role":"root"}"#, on: member)
            try await post("/v3/auth/enable", "{}", on: member)
            await #expect(throws: Refused.self) { try await get("secret", on: member) }
            try await member.restart()
        }
    }

    @Test("a frozen member is silent until it is thawed")
    func freeze() async throws {
        try await withEtcdCluster { cluster in
            let member = cluster.members[0]
            await member.freeze()
            #expect(member.isRunning)
            let error = await #expect(throws: EtcdTestingError.self) {
                try await member.waitUntilReady(timeout: .milliseconds(300))
            }
            #expect(error?.code == .notReady)
            member.thaw()
            try await member.waitUntilReady()

            await member.freeze()
            await member.stop()
            #expect(!member.isRunning)
        }
    }

    @Test("a member that joins is like the others, with TLS, too, and is not added if its announcement fails")
    func joining() async throws {
        struct Failure: Error {}
        try await withSecureEtcd { secure in
            try await secure.withClient { client in
                await #expect(throws: Failure.self) { try await secure.cluster.addMember { _ in throw Failure() } }
                #expect(secure.cluster.members.count == 1)
                let joined = try await secure.cluster.addMember { peerURL in
                    try await client.cluster.add(peerURLs: [peerURL]).members
                }
                #expect(secure.cluster.endpoints.last == joined.endpoint)
                #expect(secure.cluster.members.last === joined)
                try await client.put("k", "v")
                try await secure.withClient(joined.endpoint) { other in
                    let entry = try await other.get("k")
                    #expect(entry?.value == "v")
                }
                await joined.kill()
                try await joined.restart()
            }
        }
    }

    @Test("parallel clusters do not interfere with each other")
    func parallel() async throws {
        try await withThrowingTaskGroup(of: String?.self) { group in
            for number in 0..<4 {
                group.addTask {
                    try await withEtcdCluster { cluster in
                        try await put("number", "\(number)", on: cluster.members[0])
                        try await cluster.members[0].restart()
                        return try await get("number", on: cluster.members[0])
                    }
                }
            }
            var numbers: Set<String?> = []
            for try await number in group { numbers.insert(number) }
            #expect(numbers == ["0", "1", "2", "3"])
        }
    }

    @Test(
        "the scope removes its cluster when its body throws and when its task is cancelled",
        arguments: [false, true]
    )
    func scope(cancelled: Bool) async throws {
        struct Failure: Error {}
        let seen = Lock<(folder: String, process: Int32)?>(nil)
        let task = Task {
            try await withEtcdCluster { cluster in
                let process = try #require(cluster.members[0].processID)
                seen.withLock { $0 = (cluster.folder, process) }
                if cancelled { withUnsafeCurrentTask { $0?.cancel() } }
                try Task.checkCancellation()
                throw Failure()
            }
        }
        let error = await #expect(throws: (any Error).self) { try await task.value }
        #expect(cancelled ? error is CancellationError : error is Failure)
        let cluster = try #require(seen.withLock { $0 })
        #expect(!exists(cluster.process))
        #expect(!FileManager.default.fileExists(atPath: cluster.folder))
    }

    @Test("a cluster that is dropped is removed")
    func dropped() async throws {
        var cluster: EtcdCluster? = try await EtcdCluster.start()
        let process = try #require(cluster?.members[0].processID)
        let folder = try #require(cluster?.folder)
        cluster = nil
        try await eventually("it is gone") { !exists(process) && !FileManager.default.fileExists(atPath: folder) }
    }

    @Test("a cluster ends with the process that started it, even if that one is killed")
    func parentKilled() async throws {
        let result = await #expect(processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]) {
            let cluster = try await EtcdCluster.start(members: 2)
            let processes = cluster.members.compactMap(\.processID).map(String.init)
            print("cluster:\(cluster.folder):\(processes.joined(separator: ":")):")
            fflush(nil)
            kill(getpid(), SIGKILL)
        }
        let output = String(decoding: try #require(result).standardOutputContent, as: UTF8.self)
        let line = try #require(output.split(separator: "\n").first { $0.contains("cluster:") })
        let parts = line.split(separator: ":").drop { $0 != "cluster" }.dropFirst()
        let processes = parts.dropFirst().compactMap { Int32($0) }
        #expect(processes.count == 2)
        try await eventually("all is gone") {
            processes.allSatisfy { !exists($0) } && !FileManager.default.fileExists(atPath: String(parts.first ?? "/"))
        }
    }

    @Test("a missing program, a wrong program and a wrong flag give clear errors")
    func clearErrors() async throws {
        func failure(_ options: EtcdCluster.Options) async -> EtcdTestingError? {
            await #expect(throws: EtcdTestingError.self) { try await EtcdCluster.start(options) }
        }
        let missing = try #require(await failure(.init(binary: "/nowhere/etcd")))
        #expect(missing.code == .binaryNotFound && missing.message.contains("/nowhere/etcd"))
        let wrong = try #require(await failure(.init(binary: "/bin/ls")))
        #expect(wrong.code == .binaryNotFound && wrong.message.contains("/bin/ls"))
        let flag = try #require(await failure(.init(extraArguments: ["--no-such-flag"])))
        #expect(flag.code == .startFailed && flag.message.contains("no-such-flag"))
    }

    @Test("a cluster leaves no descriptor open")
    func descriptors() async throws {
        try await withEtcdCluster { _ in }
        let before = openDescriptors()
        for _ in 0..<3 { try await withEtcdCluster { cluster in await cluster.members[0].kill() } }
        #expect(openDescriptors() == before)
    }

    @Test("a restore that fails says why, however much its tool prints")
    func restore() async throws {
        try await withTemporaryFolder { folder in
            let (tool, line) = ("\(folder)/tool", String(repeating: "x", count: 1000))
            let script = "#!/bin/sh\ni=0\nwhile [ $i -lt 1000 ]; do echo \(line) >&2; i=$((i+1)); done\nexit 3\n"
            let mode: [FileAttributeKey: Any] = [.posixPermissions: 0o755]
            #expect(FileManager.default.createFile(atPath: tool, contents: Data(script.utf8), attributes: mode))
            let error = await #expect(throws: EtcdTestingError.self) {
                try await EtcdBinary.restore("\(folder)/none", to: "\(folder)/data", with: tool)
            }
            #expect(error?.message.hasPrefix("the restore failed: \(line)\n") == true)
        }
    }
}

// MARK: Helpers

private struct Refused: Error {
    let answer: String
}

@discardableResult
private func post(_ path: String, _ json: String, on member: EtcdMember) async throws -> [String: Any] {
    let port = try #require(member.endpoint.split(separator: ":").last.flatMap { UInt16($0) })
    let answer = try await LoopbackHTTP.request(path, posting: json, port: port, deadline: .now + .seconds(10))
    guard answer.status == 200 else { throw Refused(answer: answer.text) }
    return try #require(JSONSerialization.jsonObject(with: answer.body) as? [String: Any])
}

private func put(_ key: String, _ value: String, on member: EtcdMember) async throws {
    try await post("/v3/kv/put", #"{"key":"\#(base64(key))","value":"\#(base64(value))"}"#, on: member)
}

private func get(_ key: String, on member: EtcdMember) async throws -> String? {
    let answer = try await post("/v3/kv/range", #"{"key":"\#(base64(key))"}"#, on: member)
    let value = (answer["kvs"] as? [[String: Any]])?.first?["value"] as? String
    return value.flatMap { Data(base64Encoded: $0) }.map { String(decoding: $0, as: UTF8.self) }
}

private func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

private func exists(_ process: Int32) -> Bool { kill(process, 0) == 0 || errno != ESRCH }

private func openDescriptors() -> Int {
    let folder = FileManager.default.fileExists(atPath: "/proc/self/fd") ? "/proc/self/fd" : "/dev/fd"
    return (try? FileManager.default.contentsOfDirectory(atPath: folder).count) ?? 0
}
