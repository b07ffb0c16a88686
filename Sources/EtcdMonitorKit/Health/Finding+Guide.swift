// SPDX-License-Identifier: Apache-2.0

extension Finding.Code {
    /// A short name of the finding.
    public var title: String { guide.title }
    /// The meaning of the finding, in one or two sentences.
    public var meaning: String { guide.meaning }
    /// The recommended action.
    public var advice: String { guide.advice }

    private var guide: Guide { Guide.table[self] ?? Guide(title: rawValue, meaning: "", advice: "") }
}

/// The texts about a kind of finding.
private struct Guide {
    var title: String
    var meaning: String
    var advice: String

    /// The guides, parsed from the text below.
    static let table: [Finding.Code: Guide] = {
        let entries = text.split(separator: "\n\n").map { $0.split(separator: "\n").map(String.init) }
        let guides = entries.compactMap { lines -> (Finding.Code, Guide)? in
            guard lines.count == 4, let code = Finding.Code(rawValue: lines[0]) else { return nil }
            return (code, Guide(title: lines[1], meaning: lines[2], advice: lines[3]))
        }
        return Dictionary(guides) { first, _ in first }
    }()

    /// A code, its title, its meaning and its advice, each in one line.
    private static let text = """
        quorum-lost
        Quorum lost
        So few voters work that the cluster has no majority: it accepts no writes and answers only serializable \
        reads, which a member answers from its own copy.
        Start the members that are down, or repair the network between them; the cluster recovers by itself as soon as \
        a majority works. If the majority is lost for good, restore the newest snapshot with `etcdutl snapshot \
        restore` (`etcdctl` before 3.5) on new members.

        too-few-voters
        Fewer voters than wanted
        Fewer voters work than the limit that you have set.
        Find out which members are down or isolated, and start or replace them.

        no-leader
        No leader
        A majority of the voters runs, but none of them has a leader: they cannot reach each other, or their elections \
        fail.
        Check the network between the peer ports, the peers' certificates, and whether disks or processors are too \
        slow for the election timeout.

        leader-flapping
        The leader changes often
        The leader has changed more often than restarts explain. Each change stops writes for a moment.
        Look for slow disks (slow-fsync), too little processor time and packet loss at the leaders; raise \
        `--heartbeat-interval` and `--election-timeout` if the round trips between members are long.

        failed-elections
        Elections without a winner
        The term grows faster than the leader changes: members start elections that no candidate wins.
        Look for a member with a bad connection to the others, in one direction or with packet loss, and for clocks or \
        disks that stall it. `--pre-vote`, the default since 3.5, keeps such a member from disturbing the others.

        rival-leaders
        Two leaders in one term
        Two members lead in the same term, which Raft rules out. Their data can differ.
        Stop all writes. Check whether a member runs on a copied or restored data directory; remove it with `etcdctl \
        member remove`, and add it again with an empty data directory.

        stale-leader
        An old leader does not step down
        A member still considers itself the leader, although there is a leader of a newer term.
        Restart the old leader. Check the network between it and the others in both directions.

        foreign-cluster
        Endpoints of different clusters
        An endpoint belongs to a different cluster than the others, or to no member of this cluster. Clients that use \
        this list read and write in either cluster at random.
        Remove the foreign endpoint from the list. Compare `cluster_id` and `member_id` in `etcdctl endpoint status -w \
        json`; a member that was started with another `--initial-cluster-token` or `--initial-cluster-state=new` has \
        founded a cluster of its own.

        membership-diverged
        Members disagree about the membership
        The members have had different lists of members for longer than a change takes.
        Compare `etcdctl member list --endpoints=…` of each member. Remove a member that was started with \
        `--force-new-cluster` or restored alone, and add it again with an empty data directory.

        revision-regression
        The revision went back
        The revision of the store became smaller, although it should only grow: confirmed writes are lost, for example \
        because an old snapshot was restored.
        If nobody restored a snapshot, stop the writes and compare the members. After a restore, restart every program \
        that keeps revisions, above all watches and caches; `etcdutl snapshot restore --bump-revision \
        --mark-compacted` avoids this.

        corruption
        Data differ between members
        Members returned different hashes for the same revisions: the data of at least one are wrong.
        Remove the member that differs with `etcdctl member remove`, and add it again with an empty data directory. If \
        no majority agrees, restore an earlier snapshot. Never compare `HashKV` at revision 0, because each member \
        then answers for a different moment.

        hash-inconclusive
        Data could not be compared
        The hashes of the members could not be compared, so nothing is known about corruption.
        Check that the monitor's user has the root role, which `HashKV` needs, and that the members answer in time. If \
        the history is compacted often, a later comparison will succeed.

        alarm-corrupt
        Corruption alarm
        A member has detected that its data differ from those of the others, and raised an alarm that stops writes.
        Replace the member: `etcdctl member remove`, an empty data directory, `etcdctl member add`. Then clear the \
        alarm with `etcdctl alarm disarm`.

        member-isolated
        A member is isolated
        A member runs and answers the monitor, but does not belong to the majority: its clients get no writes and no \
        linearizable reads.
        Check the network between its peer port and that of the leader, in both directions, and the peers' \
        certificates.

        link-down
        Two members do not reach each other
        The link between two members is down, and both have a leader. Nothing is affected now, but the next election \
        may be.
        Check the network between the two peer ports.

        member-unreachable
        The monitor does not reach a member
        A member does not answer the monitor. Either the other members hear it and only the monitor's connection to it \
        is broken, or no member answers and the monitor's own network may be down.
        Check the connection from the monitor to the client port: firewalls, the advertised client URLs, name \
        resolution.

        member-down
        A member is down
        No process listens at the member's address: it has ended, or does not serve yet.
        Start it, and read its log if it ends again. If its disk is lost, remove it with `etcdctl member remove` and \
        add it again with an empty data directory.

        member-frozen
        A member does not answer
        The member does not answer in time, and the others do not hear it: its process is frozen, its disk hangs, or \
        its machine or network is down.
        Check its machine: a paused container or virtual machine, a disk that hangs (`dmesg`), swapped memory. Restart \
        the process if it does not recover.

        consensus-hung
        Linearizable reads hang at a member
        The member answers serializable reads and has a leader, but does not answer linearizable reads.
        Restart the member. Before that, save a profile of `/debug/pprof/goroutine?debug=2` if `--enable-pprof` is on; \
        the cause is a bug in etcd or a half-broken connection to the leader.

        member-not-started
        A member has not started
        A member was added and has never started. If it is a voter, it counts for the majority nevertheless.
        Start it with `--initial-cluster-state=existing` and the `--initial-cluster` that `etcdctl member add` \
        printed, or remove it with `etcdctl member remove`.

        apply-lag
        A member applies its log slowly
        The member has committed entries that it has not applied yet; at 5,000 etcd refuses proposals.
        Look for expensive requests (large ranges and transactions), a slow disk (slow-commit), or a defragmentation.

        replication-lag
        A follower lags behind
        The member lacks many of the leader's entries. If it falls too far behind, the leader must send its whole \
        store.
        Check the network and the disk of the member; `--snapshot-count` sets how many entries the leader keeps.

        learner-lag
        A learner does not catch up
        The learner lacks many entries, and the gap does not shrink.
        Check the network and the disk of the learner. It can be promoted once it has 90 % of the leader's log.

        learner-forgotten
        A learner was not promoted
        A member has been a learner for a long time. It has no vote and does not add to the fault tolerance.
        Promote it with `etcdctl member promote`, or remove it.

        restart-loop
        A member restarts again and again
        The member's process has started several times within the window.
        Read its log and that of its supervisor: memory limits, liveness probes of `/health` (which fails for alarms), \
        full disks, panics.

        version-skew
        Members run different versions
        The members run different versions of etcd, as they do during an upgrade. This matters only if it lasts.
        Finish the upgrade, one member at a time. Downgrade only by the procedure of the version: `etcdctl downgrade`, \
        since 3.6.

        clock-spread
        Clocks differ
        The clocks of members differ by more than leases, logs and certificates tolerate.
        Check the time synchronisation (`chronyc tracking`, `timedatectl`) of the members' machines.

        certificate-expiry
        A certificate expires soon
        A certificate in use expires soon or has expired. Members and clients refuse an expired certificate.
        Renew it. etcd reads its own certificate files again for each connection, so it needs no restart; a new \
        authority must be trusted everywhere before it signs.

        alarm-no-space
        The database is full
        A database has reached its quota, and the cluster accepts only reads and deletions until the alarm is disarmed.
        In this order: compact (`etcdctl compact $REVISION`), defragment each member, one at a time (`etcdctl defrag \
        --endpoints=…`), and only then run `etcdctl alarm disarm`. Then find out what fills the database, or raise \
        `--quota-backend-bytes`.

        database-near-quota
        A database is near its quota
        The database uses a large share of its quota. When it reaches the quota, the cluster accepts no more writes.
        Compact the history (or set `--auto-compaction-retention`), and then run `etcdctl defrag` on each member, one \
        at a time. Delete unused keys, or raise `--quota-backend-bytes`, up to 8 GiB.

        database-large
        A database is large
        The database is larger than the limit that you have set.
        Compact the history, and then run `etcdctl defrag` on each member, one at a time.

        database-growth
        A database grows towards its quota
        The database will reach its quota soon if it grows as it did in the last hours.
        Find the client that writes so much; check that automatic compaction is on (`--auto-compaction-retention`).

        fragmentation
        A database is mostly free
        A large part of the database file is free space, which only a defragmentation returns.
        Run `etcdctl defrag` on one member after another, the leader last; each member is blocked while it runs.

        slow-fsync
        Slow writes of the log
        Writes of the Raft log to the disk take long. They delay every write of the cluster and, if it gets worse, \
        elections.
        Give etcd a disk of its own, an SSD; look for other work on it (`iostat -x 1`), and raise the priority of etcd \
        (`ionice -c2 -n0 -p $(pgrep etcd)`).

        slow-commit
        Slow commits of the database
        Commits of the database to the disk take long, which delays requests.
        See slow-fsync; large databases and many concurrent writes make it worse.

        defragmenting
        A member defragments
        The member defragments its database, and answers late or not at all until it has finished.
        Wait. Defragment one member at a time.

        slow-reads
        Reads are slow
        The monitor's own reads of one key take longer than the limit.
        Look for too little processor time, slow networks between members, and expensive requests; a linearizable read \
        takes a round trip to the followers.

        pending-proposals
        Proposals wait
        Writes wait for the consensus: clients write more than the cluster can process, or the consensus is slow.
        Look for slow disks (slow-fsync), and for clients that write too much at once.

        failed-proposals
        Proposals fail
        Writes failed, and neither a change of the leader nor a lost member explains it.
        Look for slow disks and overload; the members' logs have the reason.

        request-errors
        Calls fail
        A large share of the calls fails because of the server. Watches and keepalives, which normally end with an \
        error, are not counted.
        Find out from `grpc_server_handled_total` which calls fail with which code, and read the member's log at that \
        time.

        slow-watchers
        Watches lag behind
        Many watches are behind the newest revision: their clients read too slowly, or too much changes.
        Find the clients that read slowly, and let watches of the same range share one, as a proxy or a cache does.

        file-descriptors
        File descriptors run out
        The member uses most of the file descriptors that it may open. Without free ones it accepts no connection and \
        cannot write.
        Raise the limit (`LimitNOFILE=` of the service), and look for clients that open more and more connections.

        memory
        High memory use
        The member uses more memory than the limit that you have set.
        Look for large ranges, many watches and leases, and a large database; etcd holds all of them in memory.

        cpu
        High processor use
        The member uses more processor time than the limit that you have set.
        Look for expensive requests and clients that poll; `/debug/pprof/profile` shows where the time goes if \
        `--enable-pprof` is on.

        not-authorized
        The monitor lacks rights
        The monitor's user lacks a right that the monitor needs. This says nothing about the cluster.
        Give the monitor a user: reads need a role that may read the probed key, `Status` needs root in some versions, \
        and `HashKV` needs root in all. Docs/Monitoring.md has a table of the versions.

        tls-failure
        TLS fails
        The monitor could not establish a TLS connection to the member, or does not accept its certificate. This says \
        nothing about the cluster.
        Check the authority that the monitor trusts, the names in the member's certificate, the monitor's own \
        certificate, and whether the port speaks TLS.

        metrics-unavailable
        Metrics cannot be read
        The monitor cannot read the metrics of members. Without them it cannot judge disks, load, restarts and links.
        If etcd runs with `--listen-metrics-urls`, configure that address for each member. Check that it is not \
        bound to the loopback interface alone.

        monitor-stale
        The monitor is behind
        No poll has finished for several intervals: the monitor shows old data.
        Check that the monitor has processor time and that its program does not block; raise the interval if polls \
        take longer than it.

        monitor-history-failed
        The history cannot be written
        The file or the database of the history does not accept it. The page and the API are not affected. The monitor \
        keeps a limited number of snapshots and writes them later; older ones are lost, and a restart loses all of them.
        Check the path of the file, its permissions and the free space; check the address of the database, the \
        password and the rights, and whether it is fast enough.
        """
}
