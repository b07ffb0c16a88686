// SPDX-License-Identifier: Apache-2.0

extension Finding.Code {
    /// The finding in a few words.
    public var title: String { guide.title }
    /// The meaning of the finding, in one or two sentences.
    public var meaning: String { guide.meaning }
    /// Advice for people.
    public var advice: String { guide.advice }

    private var guide: Guide { Guide.table[self] ?? Guide(title: rawValue, meaning: "", advice: "") }
}

/// The words about a kind of finding.
private struct Guide {
    var title: String
    var meaning: String
    var advice: String

    /// The guides, of the text below.
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
        So few voters work that the cluster can decide nothing: it takes no writes and answers no reads but those from \
        a member's own copy.
        Start the members that are down, or mend the network between them; the cluster goes on by itself as soon as a \
        majority works. If a majority is lost for good, restore the newest snapshot with `etcdutl snapshot restore` \
        (`etcdctl` before 3.5) on new members.

        too-few-voters
        Fewer voters than wanted
        Fewer voters work than the limit that you have set.
        See which members are down or cut off, and start or replace them.

        no-leader
        No leader
        A majority of the voters runs, and none of them has a leader: they do not reach each other, or their elections \
        fail.
        Check the network between the peer ports, the peers' certificates, and whether disks or processors are too \
        slow for the election timeout.

        leader-flapping
        The leader changes often
        The leader has changed more often than restarts explain. Each change stops writes for a moment.
        Look for slow disks (slow-fsync), missing processor time and packet loss at the leaders; raise \
        `--heartbeat-interval` and `--election-timeout` if the round trips between members are long.

        failed-elections
        Elections without a winner
        The term grows faster than the leader changes: members call elections that nobody wins.
        Look for a member that hears the others badly, in one direction or with losses, and for clocks or disks that \
        stall it. `--pre-vote`, the default since 3.5, keeps such a member from disturbing the others.

        rival-leaders
        Two leaders in one term
        Two members lead in the same term, which Raft rules out. Their data can differ.
        Stop all writes. Check whether a member runs on a copied or restored data directory; remove it with `etcdctl \
        member remove`, and add it again with an empty one.

        stale-leader
        An old leader does not step down
        A member goes on taking itself for the leader although there is one of a newer term.
        Restart the old leader. Check the network between it and the others in both directions.

        foreign-cluster
        Endpoints of different clusters
        An endpoint belongs to another cluster than the others, or to no member of this one. Clients that use this \
        list read and write at random in one or the other.
        Take the foreign endpoint out of the list. Compare `cluster_id` and `member_id` in `etcdctl endpoint status -w \
        json`; a member that was started with another `--initial-cluster-token` or `--initial-cluster-state=new` has \
        founded a cluster of its own.

        membership-diverged
        Members disagree about who belongs
        The lists of members differ from one member to another for longer than a change takes.
        Compare `etcdctl member list --endpoints=…` of each member. One that was started with `--force-new-cluster` or \
        restored alone has to be removed and added again with an empty data directory.

        revision-regression
        The revision went back
        The revision of the store, which only grows, became smaller: writes that were confirmed are lost, as after the \
        restore of an old snapshot.
        If nobody restored a snapshot, stop the writes and compare the members. After a restore, restart what keeps \
        revisions, above all watches and caches; `etcdutl snapshot restore --bump-revision --mark-compacted` avoids \
        this.

        corruption
        Data differ between members
        Members gave different hashes for the same revisions: at least one has wrong data.
        Remove the member that differs with `etcdctl member remove`, and add it again with an empty data directory. If \
        no majority agrees, restore a snapshot from before. Never compare `HashKV` at revision 0, where each member \
        answers for another moment.

        hash-inconclusive
        Data could not be compared
        The hashes of the members could not be compared, so nothing is known about corruption.
        Check that the monitor's user has the root role, which `HashKV` needs, and that the members answer in time; if \
        the history is compacted all the time, the next comparison will do.

        alarm-corrupt
        Corruption alarm
        A member has found out that its data differ from those of the others, and raised an alarm that stops writes.
        Replace the member: `etcdctl member remove`, an empty data directory, `etcdctl member add`. Then clear the \
        alarm with `etcdctl alarm disarm`.

        member-isolated
        A member is cut off
        A member runs and answers the monitor, and has no part in the majority: its clients get no writes and no reads \
        that need a majority.
        Check the network between its peer port and that of the leader, in both directions, and the peers' \
        certificates.

        link-down
        Two members do not reach each other
        The link between two members is down, and both have a leader. Nothing suffers now; the next election may.
        Check the network between the two peer ports.

        member-unreachable
        The monitor does not reach a member
        A member does not answer the monitor. Either the other members hear it, so that only the monitor's way to it \
        is broken, or no member answers, so that it may be the monitor's own network.
        Check the way from the monitor to the client port: firewalls, the advertised client URLs, name resolution.

        member-down
        A member is down
        Nothing listens at the member's address: its process has ended, or has not begun to serve.
        Start it, and read its log if it ends again. If its disk is lost, remove it with `etcdctl member remove` and \
        add it again with an empty data directory.

        member-frozen
        A member does not answer
        The member does not answer in time, and the others do not hear it: its process is frozen, its disk hangs, or \
        its machine or network is gone.
        Look at its machine: a paused container or virtual machine, a disk that hangs (`dmesg`), memory that is \
        swapped. Restart the process if it does not recover.

        consensus-hung
        Reads with a majority hang at a member
        The member answers from its own copy, has a leader, and does not answer reads that need a majority.
        Restart the member. Before that, keep a profile of `/debug/pprof/goroutine?debug=2` if `--enable-pprof` is on; \
        this is a bug in etcd or a half-broken connection to the leader.

        member-not-started
        A member has not started
        A member was added and has never started. It counts for the majority all the same if it is a voter.
        Start it with `--initial-cluster-state=existing` and the `--initial-cluster` that `etcdctl member add` \
        printed, or remove it with `etcdctl member remove`.

        apply-lag
        A member applies its log slowly
        The member has committed entries that it has yet to apply; at 5,000 etcd refuses proposals.
        Look for expensive requests (large ranges and transactions), a slow disk (slow-commit), or a defragmentation.

        replication-lag
        A follower lags behind
        The member lacks many of the leader's entries. If it falls too far behind, the leader has to send its whole \
        store.
        Check the network and the disk of the member; `--snapshot-count` says how many entries the leader keeps.

        learner-lag
        A learner does not catch up
        The learner lacks many entries, and does not come nearer to the leader.
        Check the network and the disk of the learner. It can be promoted once it has 90 % of the leader's log.

        learner-forgotten
        A learner was not promoted
        A member has been a learner for long. It has no vote and adds nothing to the fault tolerance.
        Promote it with `etcdctl member promote`, or remove it.

        restart-loop
        A member restarts again and again
        The member's process has begun several times within the window.
        Read its log and that of its supervisor: memory limits, liveness probes that ask `/health` (which fails for \
        alarms), full disks, panics.

        version-skew
        Members run different versions
        The members run different versions of etcd, as they do during an upgrade. It is worth more than a note only if \
        it stays so.
        Finish the upgrade, one member at a time. Go back only by the procedure of the version: `etcdctl downgrade`, \
        since 3.6.

        clock-spread
        Clocks differ
        The clocks of members are further apart than leases, logs and certificates should bear.
        Check the time synchronisation (`chronyc tracking`, `timedatectl`) of the members' machines.

        certificate-expiry
        A certificate ends soon
        A certificate in use ends soon or has ended. Members and clients refuse it from that moment on.
        Renew it. etcd reads the files of its own certificates anew at each connection, so that no restart is needed; \
        a new authority has to be trusted everywhere before it signs.

        alarm-no-space
        The database is full
        A database has reached its quota, and the cluster takes nothing but reads and deletions until the alarm is \
        disarmed.
        In this order: compact (`etcdctl compact $REVISION`), defragment each member, one at a time (`etcdctl defrag \
        --endpoints=…`), and only then `etcdctl alarm disarm`. Then find out what fills it, or raise \
        `--quota-backend-bytes`.

        database-near-quota
        A database is near its quota
        The database takes a large share of its quota. At the whole of it the cluster takes no more writes.
        Compact the history (or set `--auto-compaction-retention`), and then `etcdctl defrag` each member, one at a \
        time. Delete what is not needed, or raise `--quota-backend-bytes`, up to 8 GiB.

        database-large
        A database is large
        The database is larger than the limit that you have set.
        Compact the history, and then `etcdctl defrag` each member, one at a time.

        database-growth
        A database grows towards its quota
        The database will reach its quota soon if it grows as it did in the last hours.
        Find out what writes so much; check that automatic compaction is on (`--auto-compaction-retention`).

        fragmentation
        A database is mostly free
        A large part of the database is free, and given back only by defragmentation.
        Run `etcdctl defrag` on one member after another, the leader last; each is blocked while it runs.

        slow-fsync
        Slow writes of the log
        Writes of the Raft log to the disk take long, which delays every write of the cluster, and elections if it \
        gets worse.
        Give etcd a disk of its own, an SSD; look for other work on it (`iostat -x 1`), and raise its priority \
        (`ionice -c2 -n0 -p $(pgrep etcd)`).

        slow-commit
        Slow commits of the database
        Commits of the database to the disk take long, which delays requests.
        See slow-fsync; large databases and many writes at once make it worse.

        defragmenting
        A member defragments
        The member defragments its database, and answers late or not at all until it is done.
        Wait. Defragment one member at a time.

        slow-reads
        Reads are slow
        The monitor's own reads of one key take longer than the limit.
        Look for missing processor time, slow networks between members, and expensive requests; a read that needs a \
        majority takes a round trip to the followers.

        pending-proposals
        Proposals wait
        Writes wait to be decided: more come than the cluster can take, or it has trouble to decide.
        Look for slow disks (slow-fsync), and for clients that write too much at once.

        failed-proposals
        Proposals fail
        Writes failed that a change of the leader or a lost member does not explain.
        Look for slow disks and overload, and in the members' logs for the reason.

        request-errors
        Calls fail
        A large share of calls fails by the server's fault. Watches and keepalives, which end with errors as a matter \
        of course, are not counted.
        See by `grpc_server_handled_total` which calls fail with which code, and read the member's log at that time.

        slow-watchers
        Watches lag behind
        Many watches have yet to receive what has happened: their clients read too slowly, or too much changes.
        Find the clients that read slowly, and let several watches of one range share one, as a proxy or a cache does.

        file-descriptors
        File descriptors run out
        The member uses most of the file descriptors that it may open. Without one it takes no connection and cannot \
        write.
        Raise the limit (`LimitNOFILE=` of the service), and look for clients that open connections without end.

        memory
        Much memory
        The member holds more memory than the limit that you have set.
        Look for large ranges, many watches and leases, and a large database, all of which are held in memory.

        cpu
        Much processor time
        The member uses more processor time than the limit that you have set.
        Look for expensive requests and clients that poll; `/debug/pprof/profile` says where the time goes if \
        `--enable-pprof` is on.

        not-authorized
        The monitor lacks rights
        The monitor's user may not ask all that it needs to. It says nothing about the cluster.
        Give the monitor a user: reads need a role that may read the probed key, `Status` needs root in some versions, \
        and `HashKV` needs root in all. Docs/Monitoring.md has the table by version.

        tls-failure
        TLS fails
        No TLS connection to the member could be agreed on, or its certificate is not accepted. It says nothing about \
        the cluster.
        Check the authority that the monitor trusts, the names in the member's certificate, the monitor's own \
        certificate, and whether the port speaks TLS.

        metrics-unavailable
        Metrics cannot be read
        The metrics of members cannot be read; disks, load, restarts and links are not judged without them.
        If etcd runs with `--listen-metrics-urls`, tell the monitor that address for each member. Check that it is not \
        bound to the loopback interface alone.

        monitor-stale
        The monitor is behind
        No poll has finished for several intervals: what the monitor shows is old.
        Check that the monitor has processor time and that its program does not block; raise the interval if polls \
        take longer than it.

        monitor-history-failed
        The history cannot be written
        The file or the database of the history does not take it. The page and the API are not affected. Up to a \
        bound, snapshots are kept and written later; older ones, and all at a restart, are lost.
        Check a file's path, its permissions and the free space; check a database's address, password and rights, and \
        whether it is fast enough.
        """
}
