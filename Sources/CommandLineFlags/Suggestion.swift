// SPDX-License-Identifier: Apache-2.0

extension String {
    /// The most similar of the known texts; nil if each differs by more than two edits.
    package func nearest(among known: some Sequence<String>) -> String? {
        let nearest = known.map { (text: $0, distance: distance(to: $0)) }.min { $0.distance < $1.distance }
        return nearest.flatMap { $0.distance <= 2 ? $0.text : nil }
    }

    /// The number of characters to insert, delete or replace to turn one text into the other.
    private func distance(to other: String) -> Int {
        let other = Array(other)
        var row = Array(0...other.count)
        for (line, character) in enumerated() {
            var next = [line + 1]
            for column in other.indices {
                let replaced = row[column] + (character == other[column] ? 0 : 1)
                next.append(Swift.min(replaced, row[column + 1] + 1, next[column] + 1))
            }
            row = next
        }
        return row.last ?? 0
    }
}
