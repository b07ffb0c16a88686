// SPDX-License-Identifier: Apache-2.0

import EtcdKit

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// A program with only the client, so that its memory is the client's.
///
/// Prints one line of JSON for `scripts/performance.py`.
@main
struct Alone {
    static func main() async {
        do {
            var (endpoint, load, count) = ("127.0.0.1:2379", "", 10_000)
            for argument in CommandLine.arguments.dropFirst() {
                let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
                switch (parts.first, parts.count == 2 ? parts[1] : "") {
                case ("--endpoints", let text): endpoint = text
                case ("--count", let text): count = max(Int(text) ?? 0, 1)
                case ("watches", ""), ("leases", ""), ("mirror", ""): load = argument
                default: throw Usage()
                }
            }
            guard !load.isEmpty else { throw Usage() }
            let figures = try await withEtcdClient(endpoints: endpoint) { client in
                switch load {
                case "watches": try await holdWatches(client, count)
                case "leases": try await holdLeases(client, count)
                default: try await mirror(client, count)
                }
            }
            print("{\(figures.map { "\"\($0)\": \($1)" }.joined(separator: ", "))}")
        } catch {
            let message = Array("alone: \(error)\n".utf8)
            _ = write(2, message, message.count)
            exit(error is Usage ? 2 : 1)
        }
    }
}

private struct Usage: Error, CustomStringConvertible {
    let description = "usage: alone watches|leases|mirror [--endpoints=HOST:PORT] [--count=N]"
}

/// Times in seconds, unless their names say otherwise.
typealias Figures = KeyValuePairs<String, Double>

/// The processor time of the process so far, in seconds.
func processorTime() -> Double {
    var usage = rusage()
    #if canImport(Darwin)
        getrusage(RUSAGE_SELF, &usage)
    #else
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    #endif
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
