// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// Which member owns which shard, as `scripts/shard-vectors.py` has computed it; these never change.
struct ShardVector: Sendable {
    let members: [Key]
    let shards: [Key]
    /// For each shard, the place of its owner among the members, as a digit of base 36.
    let owners: String

    static let all = [
        ShardVector(
            members: ["a", "b"],
            shards: (0..<7).map { "\($0)" },
            owners: "1001110"
        ),
        ShardVector(
            members: ["worker-1", "worker-2", "worker-3"],
            shards: ["north", "east", "south", "west", "north-east", "süd", "東", "😀", "a b", "x/y"],
            owners: "0112022211"
        ),
        ShardVector(
            members: ["a", "aa", "aaa", "A", "ä"],
            shards: (0..<64).map { "\($0)" },
            owners: "1313444441141242343103214201303242021000330014013224444001011001"
        ),
        ShardVector(
            members: (1...10).map { "worker-\($0)" },
            shards: (0..<200).map { "\($0)" },
            owners: """
                69860734097099652363754729904467977844985436313478309401158450936949889001190963\
                23273010381212661130772190512148582487119295043653214723323896189644301871742512\
                1024279655175238301726254429206763387779
                """
        ),
        ShardVector(
            members: (0..<20).map { "10.0.0.\($0):8080" },
            shards: (10_000..<10_500).map { Key("orders-" + "\($0)".dropFirst()) },
            owners: """
                e4aihighee6d53459d6166b5a23i98999e48ic11hj8i1gj7b3396jd0ij145edgg13ahdfh54je3139\
                i430h6f08005b2j89fbahb80ia4h118gd56cbj81ac3j0je014259115hcfcc34hb617ac0i30aijfdi\
                e1g8hdigediah4426ejdbf4jc8f259hh72g3dbdia4g4bg42cccdi1h79gbhdheg6ae6hja0543d6dcd\
                8j7f0bj312a1ej7g328gb6hdjf7h0f6d2hi577h05cgbida0hb63gei2ha88427019d0b37f9chb5cdg\
                ebijjdaibj23736e17a041hi73424703e0fe6cb6d25c6g5ib02a71bfgec9560e2538ce1ggg07i786\
                a5164c52i2i1g5fh7bjcbe5gd4e8ea44334g0di4h8020bb668i29j31ac92had3476g216egb43897d\
                b20g61b052ag2a34j17d
                """
        ),
    ]
}
