// SPDX-License-Identifier: Apache-2.0

/// Some of the members of a pool, by their places: one is added, found and removed in constant time.
struct PlaceList: Sendable {
    private(set) var places: [Int] = []
    private var positions: [Int: Int] = [:]

    var count: Int { places.count }
    var isEmpty: Bool { places.isEmpty }

    mutating func insert(_ place: Int) {
        if positions[place] != nil { return }
        positions[place] = places.count
        places.append(place)
    }

    /// Removes a place; the last one of the list takes its position.
    mutating func remove(_ place: Int) {
        guard let position = positions.removeValue(forKey: place) else { return }
        let last = places.removeLast()
        if last == place { return }
        places[position] = last
        positions[last] = position
    }

    /// Notes that a member has another place now.
    mutating func rename(_ place: Int, _ new: Int) {
        guard let position = positions.removeValue(forKey: place) else { return }
        places[position] = new
        positions[new] = position
    }
}
