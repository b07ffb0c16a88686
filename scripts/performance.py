#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures this client side by side with Go's client and h2load, against one etcd, and how it grows with the load.

    scripts/performance.py compare --peer PATH      # all rows of the comparison
    scripts/performance.py compare --quick          # all rows in two minutes, with few operations and rounds
    scripts/performance.py compare --only put-64    # one row
    scripts/performance.py scale                    # callers, watches, leases, sizes of values, ranges and mirrors
    scripts/performance.py report                   # the tables and plots of what was measured before, once more

Each row has one etcd, with its data in memory (/dev/shm) and without fsync, which all clients of the row share; rows that
hold watches or leases have one for each sample, since its memory counts there. Clients take turns in rounds, in another
order each time, and the median of the rounds counts. Results go to Docs/performance, as raw data and as plots, and the
tables into the places for them in Docs/Performance.md.

The peer is a program with the flags of etcd's benchmarks in Go: -op put|get|mixed|txn|lock|watch|watches|leases,
-clients, -total, -endpoints; it prints one line of JSON.
"""
import argparse
import fnmatch
import json
import math
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "Docs" / "performance"
PAGE = ROOT / "Docs" / "Performance.md"
VALUE_SIZE = 256
KINDS = {"put": "write", "get": "read"}  # The engine's names, where they differ from the peer's.
NAMES = {"default": "EtcdKit", "loop": "EtcdKit, on the loop", "alone": "EtcdKit, alone", "go": "Go", "h2load": "h2load"}


class Target:
    """A bound for the ratio of two clients' figures."""

    def __init__(self, client, other, figure, bound, limit):
        self.client, self.other, self.figure, self.bound, self.limit = client, other, figure, bound, limit


class Row:
    def __init__(self, name, title, op, callers, total, clients, targets=(), holds=False):
        self.name, self.title, self.op, self.callers, self.total = name, title, op, callers, total
        self.clients, self.targets, self.holds = clients, list(targets), holds


def rows():
    everyone = ("default", "loop", "go", "h2load")
    found = []
    for op in ("put", "get"):
        for callers in (1, 64, 256):
            if callers == 1:
                targets = [
                    Target("default", "go", "ops", ">=", 1.0), Target("default", "go", "cpu", "<=", 0.6),
                    Target("loop", "go", "ops", ">=", 1.2), Target("loop", "go", "cpu", "<=", 0.4),
                ]
            else:
                targets = [
                    Target("default", "go", "ops", ">=", 1.4), Target("default", "go", "cpu", "<=", 0.3),
                    Target("loop", "go", "ops", ">=", 1.4), Target("loop", "go", "cpu", "<=", 0.25),
                    Target("loop", "h2load", "ops", ">=", 0.8), Target("loop", "h2load", "cpu", "<=", 2.5),
                ]
            title = f"{op}, {callers} caller{'s' if callers > 1 else ''}"
            found.append(Row(f"{op}-{callers}", title, op, callers, 6000 if callers == 1 else 40000, everyone, targets))
    ours = ("default", "loop", "go")
    found.append(Row("mixed-64", "70 % get, 30 % put, 64 callers", "mixed", 64, 40000, ours))
    found.append(Row("txn-64", "transaction, 64 callers", "txn", 64, 40000, ours, [
        Target("default", "go", "ops", ">=", 1.4), Target("default", "go", "cpu", "<=", 0.3)]))
    found.append(Row("lock-64", "lock and release, 64 callers", "lock", 64, 10000, ours, [
        Target("default", "go", "ops", ">=", 1.3), Target("default", "go", "cpu", "<=", 0.6)]))
    found.append(Row("watch-10", "events of 10 watches of a prefix, 10,000 puts", "watch", 10, 10000, ours, [
        Target("default", "go", "ops", ">=", 1.3), Target("default", "go", "cpu", "<=", 1 / 3)]))
    for op in ("put", "get"):
        clients = ("default", "default+tls", "go", "go+tls", "h2load", "h2load+tls")
        found.append(Row(f"tls-{op}-64", f"{op} over TLS, 64 callers", op, 64, 30000, clients))
    held = ("default", "alone", "go")
    found.append(Row("watches-10000", "10,000 watches, each of a key", "watches", 10000, None, held, [
        Target(client, "go", *bound) for client in held[:2]
        for bound in (("client_mb", "<=", 0.5), ("server_mb", "<=", 1.0))], holds=True))
    found.append(Row("leases-10000", "10,000 leases, kept for ten seconds", "leases", 10000, None, held, [
        Target(client, "go", *bound) for client in held[:2]
        for bound in (("cpu_s", "<=", 0.8), ("client_mb", "<=", 0.6))], holds=True))
    return found


# --- Processes -----------------------------------------------------------------------------------------------------

def status(process_id, field):
    """A figure of a process in MB; None where there is no /proc."""
    try:
        text = Path(f"/proc/{process_id}/status").read_text()
    except OSError:
        return None
    match = re.search(rf"^{field}:\s+(\d+) kB", text, re.M)
    return int(match[1]) / 1024 if match else None


def run(command, environment=None):
    """Runs a client; returns its output, its processor time in seconds and its largest memory in MB."""
    errors = tempfile.TemporaryFile()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=errors, text=True, env=dict(os.environ, **(environment or {}))
    )
    peak, is_over = [0.0], threading.Event()

    def look():  # The rusage of a child begins with the memory of its parent, so it is of no use here.
        while not is_over.wait(0.05):
            peak[0] = max(peak[0], status(process.pid, "VmHWM") or 0)

    looker = threading.Thread(target=look)
    looker.start()
    output = process.stdout.read()
    _, code, usage = os.wait4(process.pid, 0)
    process.returncode = code
    is_over.set()
    looker.join()
    if code != 0:
        errors.seek(0)
        sys.exit(f"performance: {' '.join(command)} failed:\n{errors.read().decode(errors='replace')[-2000:]}{output[-500:]}")
    return output, usage.ru_utime + usage.ru_stime, peak[0]


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Etcd:
    """One etcd, which serves plaintext and, where there are certificates, TLS."""

    def __init__(self, binary, certificates=None):
        memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.folder = tempfile.mkdtemp(prefix="performance-", dir=memory)
        plain, secure, peer = free_ports(3)
        self.endpoint, self.secure_endpoint = f"127.0.0.1:{plain}", f"127.0.0.1:{secure}"
        urls, tls = f"http://{self.endpoint}", []
        if certificates:
            urls += f",https://{self.secure_endpoint}"
            tls = ["--cert-file", f"{certificates}/server.pem", "--key-file", f"{certificates}/server-key.pem"]
        peer = f"http://127.0.0.1:{peer}"
        command = [
            binary, "--data-dir", self.folder + "/data", "--unsafe-no-fsync", "--log-level", "error",
            "--listen-client-urls", urls, "--advertise-client-urls", urls, "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
            "--quota-backend-bytes", str(8 << 30), *tls,
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            try:
                if '"true"' in self.get("/health"):
                    return
            except OSError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.__exit__()
        sys.exit(f"performance: {binary} does not serve with --unsafe-no-fsync (3.5 has it): {' '.join(command)}")

    def get(self, path):
        with urllib.request.urlopen(f"http://{self.endpoint}{path}", timeout=5) as answer:
            return answer.read().decode()

    def metric(self, name):
        match = re.search(rf"^{name} (\S+)$", self.get("/metrics"), re.M)
        return float(match[1]) if match else 0.0

    @property
    def processor_time(self):
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def make_certificates(folder):
    """An authority and a certificate for 127.0.0.1; False without the program openssl."""
    if not shutil.which("openssl"):
        return False
    extensions = Path(folder, "extensions")
    extensions.write_text("subjectAltName=IP:127.0.0.1\n")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for command in (
        ["req", "-x509", *key, "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=performance", "-days", "30"],
        ["req", *key, "-keyout", "server-key.pem", "-out", "server.csr", "-subj", "/CN=127.0.0.1"],
        ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "30",
         "-extfile", "extensions", "-out", "server.pem"],
    ):
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)
    return True


# --- Clients -------------------------------------------------------------------------------------------------------

class Clients:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder

    def has(self, client):
        name, _, tls = client.partition("+")
        if tls and not Path(self.folder, "server.pem").exists():
            return False
        if name in ("default", "loop"):
            return True
        return bool({"alone": self.options.alone, "go": self.options.peer, "h2load": self.options.h2load}[name])

    def sample(self, etcd, row, client, more=()):
        """One run of a client: a dictionary of its figures."""
        name, _, tls = client.partition("+")
        scheme = "https" if tls else "http"
        endpoint = etcd.secure_endpoint if tls else etcd.endpoint
        server_before = etcd.processor_time
        if name == "h2load":
            figures = self.h2load(etcd, row, f"{scheme}://{endpoint}")
        else:
            figures = self.peer_or_ours(name, row, f"https://{endpoint}" if tls else endpoint, tls, more)
        figures["server_mb"] = status(etcd.process.pid, "VmHWM" if row.holds else "VmRSS")
        if server_before is not None:
            figures["server_cpu_s"] = etcd.processor_time - server_before
        return figures

    def peer_or_ours(self, name, row, endpoint, tls, more):
        environment = {}
        if name == "go":
            command = [self.options.peer, "-op", row.op, "-clients", str(row.callers), "-valsize", str(VALUE_SIZE)]
            if row.total:
                command += ["-total", str(row.total)]
            command += ["-endpoints", endpoint]
            # Go's client takes the system's authorities for https, and Go takes them from here.
            environment = {"SSL_CERT_FILE": f"{self.folder}/ca.pem"} if tls else {}
        elif name == "alone":
            command = [self.options.alone, row.op, f"--endpoints={endpoint}", f"--count={row.callers}"]
        else:
            command = [
                self.options.monitor, "--run-benchmark", "--json", f"--endpoints={endpoint}",
                f"--benchmark-type={KINDS.get(row.op, row.op)}", f"--benchmark-clients={row.callers}",
                "--benchmark-prefix=speed/",
            ]
            if row.total:
                command.append(f"--benchmark-ops={row.total}")
            if not any("value-size" in each for each in more):
                command.append(f"--benchmark-value-size={VALUE_SIZE}")
            command += [*(["--benchmark-on-loop"] if name == "loop" else []), *more]
            command += [f"--cacert={self.folder}/ca.pem"] if tls else []
        output, processor, peak = run(command, environment)
        result = json.loads(output.strip().split("\n")[-1] if output.count("{\"op\"") else output)
        if any((result.get("errors") or {}).values() if isinstance(result.get("errors"), dict) else [result.get("errors")]):
            sys.exit(f"performance: {' '.join(command)} has had errors: {result['errors']}")
        figures = {
            "command": self.shown(command), "seconds": result.get("sec"),
            "ops": result.get("events_per_s") or result.get("ops_per_s"),
            "cpu": result.get("cpu_us_per_event") or result.get("cpu_us_per_op"),
            "cpu_s": result.get("cpu_s") or processor, "p50": result.get("p50_ms"), "p99": result.get("p99_ms"),
            "open_s": result.get("open_s"), "renewals": result.get("renewals"),
            "client_mb": peak or result.get("maxrss_mb"),
        }
        return {key: value for key, value in figures.items() if value is not None}

    def h2load(self, etcd, row, url):
        method = {"put": "Put", "get": "Range"}[row.op]
        if row.op == "get":
            self.h2load_command(f"{url}/etcdserverpb.KV/Put", "put", 1, 1, runs=True)
        metric = {"put": "etcd_mvcc_put_total", "get": "etcd_mvcc_range_total"}[row.op]
        before = etcd.metric(metric)
        command = self.h2load_command(f"{url}/etcdserverpb.KV/{method}", row.op, row.callers, row.total)
        output, processor, peak = run(command)
        finished = re.search(r"finished in ([\d.]+)(us|ms|s), ([\d.]+) req/s", output)
        # gRPC reports failures below HTTP's status, so etcd says what was done.
        if not finished or f"{row.total} 2xx" not in output or etcd.metric(metric) - before < row.total:
            sys.exit(f"performance: h2load failed:\n{output}")
        return {
            "command": self.shown(command), "seconds": float(finished[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1}[finished[2]],
            "ops": float(finished[3]), "cpu": processor / row.total * 1e6, "cpu_s": processor, "client_mb": peak,
        }

    def h2load_command(self, url, op, callers, total, runs=False):
        def field(number, data):
            length = len(data)
            size = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
            return bytes([number << 3 | 2]) + size + data

        message = field(1, b"bench/00000000") + (field(2, b"x" * VALUE_SIZE) if op == "put" else b"")
        body = Path(self.folder, op)
        body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
        command = [
            self.options.h2load, "-c1", f"-m{callers}", f"-n{total}", "-d", str(body),
            "-H", "content-type: application/grpc", "-H", "te: trailers", url,
        ]
        if runs:
            run(command)
        return command

    def shown(self, command):
        """The command line as a reader would write it."""
        words = [os.path.basename(command[0]), *command[1:]]
        text = " ".join(f"'{word}'" if " " in word else word for word in words).replace(self.folder, "FOLDER")
        return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)


# --- Runs ----------------------------------------------------------------------------------------------------------

def machine(options):
    model = platform.processor() or platform.machine()
    memory = None
    try:
        text = Path("/proc/cpuinfo").read_text()
        model = (re.search(r"model name\s*: (.*)", text) or re.search(r"(.*)", model))[1]
        memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) >> 20
    except (OSError, TypeError):
        pass
    version = subprocess.run([options.etcd, "--version"], capture_output=True, text=True).stdout.split("\n")[0]
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True).stdout
    return {
        "processor": model, "processors": os.cpu_count(), "memory_gb": memory, "system": platform.platform(),
        "etcd": version, "commit": commit.strip(), "date": time.strftime("%Y-%m-%d"), "load": os.getloadavg()[0],
    }


def read_results(name):
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {"machine": {}, "rows": {}}


def write_results(name, results):
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def compare(options, folder):
    results = read_results("compare") if options.only or options.append else {"rows": {}}
    results["machine"] = machine(options)
    clients = Clients(options, folder)
    certificates = folder if make_certificates(folder) else None
    chosen = [row for row in rows() if not options.only or any(fnmatch.fnmatch(row.name, each) for each in options.only)]
    if not chosen:
        sys.exit(f"performance: no row is called {' or '.join(options.only)}; there are {', '.join(r.name for r in rows())}")
    for row in chosen:
        rounds = options.rounds
        if options.quick:
            rounds = 1 if row.holds else 3
            row.total = row.total and row.total // 6
        present = [client for client in row.clients if clients.has(client)]
        samples = results["rows"].get(row.name, {}) if options.append else {}
        shared = None if row.holds else Etcd(options.etcd, certificates)
        try:
            for number in range(rounds):
                order = present[number % len(present):] + present[:number % len(present)]
                for client in order if number % 2 == 0 else reversed(order):
                    if shared:
                        figures = clients.sample(shared, row, client)
                    else:
                        with Etcd(options.etcd) as etcd:
                            figures = clients.sample(etcd, row, client)
                    samples.setdefault(client, []).append(figures)
                    print(f"{row.name:14} {client:12} {short(figures)}", flush=True)
        finally:
            if shared:
                shared.__exit__()
        results["rows"][row.name] = samples
        if not options.quick:
            write_results("compare", results)
    if options.quick:
        print(comparison(results))
    else:
        report()


def short(figures):
    return ", ".join(f"{key} {number(figures[key])}" for key in (
        "ops", "cpu", "p50", "p99", "cpu_s", "open_s", "client_mb", "server_mb") if key in figures)


SCALES = {
    # The loads, and how a run of ours is made of one: the operation, the callers, the operations and more flags.
    "callers-put": ("put by a number of callers", [1, 4, 16, 64, 256, 1000], lambda n: ("put", n, min(3000 * n, 40000), [])),
    "callers-get": ("get by a number of callers", [1, 4, 16, 64, 256, 1000], lambda n: ("get", n, min(3000 * n, 40000), [])),
    "watches": ("watches, each of a key", [1, 10, 100, 1000, 10000, 50000], lambda n: ("watches", n, None, [])),
    "leases": ("leases, kept for ten seconds", [1, 10, 100, 1000, 10000, 100000], lambda n: ("leases", n, None, [])),
    "values-put": ("put of values of a size in bytes, 16 callers", [16, 256, 4096, 65536, 1 << 20],
                   lambda n: ("put", 16, max(300, min(20000, (512 << 20) // n)), [f"--benchmark-value-size={n}"])),
    "values-get": ("get of values of a size in bytes, 16 callers", [16, 256, 4096, 65536, 1 << 20],
                   lambda n: ("get", 16, max(600, min(20000, (512 << 20) // n)),
                              [f"--benchmark-value-size={n}", f"--benchmark-keys={100 if n > 9999 else 1000}"])),
}
MIRRORS = [1000, 10000, 100000, 1000000]


def scale(options, folder):
    results = read_results("scale") if options.only else {"rows": {}}
    results["machine"] = machine(options)
    clients = Clients(options, folder)
    for name, (title, loads, make) in SCALES.items():
        if options.only and not any(fnmatch.fnmatch(name, each) for each in options.only):
            continue
        samples = {}
        for load in loads[: 3 if options.quick else None]:
            op, callers, total, more = make(load)
            row = Row(name, title, op, callers, total, ("default",), holds=True)
            for _ in range(1 if options.quick else options.rounds if op in ("put", "get") else 1):
                with Etcd(options.etcd) as etcd:
                    figures = clients.sample(etcd, row, "default", more)
                samples.setdefault(str(load), []).append(figures)
                print(f"{name:12} {load:8} {short(figures)}", flush=True)
        results["rows"][name] = samples
        if not options.quick:
            write_results("scale", results)
    if not options.only or any(fnmatch.fnmatch("mirrors", each) for each in options.only):
        results["rows"]["mirrors"] = mirrors(options)
    if options.quick:
        print(scaling(results))
    else:
        write_results("scale", results)
        report()


def mirrors(options):
    if not options.alone:
        print("performance: without --alone PATH, ranges and mirrors are left out", file=sys.stderr)
        return {}
    samples = {}
    for load in MIRRORS[: 2 if options.quick else None]:
        with Etcd(options.etcd) as etcd:
            command = [options.alone, "mirror", f"--endpoints={etcd.endpoint}", f"--count={load}"]
            output, _, peak = run(command)
            figures = json.loads(output)
            figures.update(client_mb=peak, server_mb=status(etcd.process.pid, "VmHWM"))
        samples[str(load)] = [figures]
        print(f"mirrors      {load:8} {json.dumps(figures)}", flush=True)
    return samples


# --- Reports -------------------------------------------------------------------------------------------------------

def number(value):
    if value is None:
        return ""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def median(samples, figure):
    values = [each[figure] for each in samples if each.get(figure) is not None]
    return statistics.median(values) if values else None


def table(header, lines):
    parts = ["| " + " | ".join(header) + " |", "|" + "|".join(" --- " if i == 0 else " ---: " for i in range(len(header))) + "|"]
    return "\n".join(parts + ["| " + " | ".join(line) + " |" for line in lines])


def name_of(client):
    name, _, tls = client.partition("+")
    return NAMES[name] + (", TLS" if tls else "")


def ratio(samples, client, other, figure):
    left, right = (median(samples.get(each, []), figure) for each in (client, other))
    return left / right if left is not None and right else None


def comparison(results):
    """The tables of the comparison, by their names."""
    calls, held, targets = [], [], []
    for row in rows():
        samples = results["rows"].get(row.name)
        if not samples:
            continue
        for client in row.clients:
            if client not in samples:
                continue
            figure = lambda name: number(median(samples[client], name))
            tls = "+tls" if client.endswith("+tls") else ""
            against = lambda name: number(ratio(samples, client, "go" + tls, name)) if not client.startswith("go") else ""
            if row.holds:
                held.append([row.title, name_of(client), figure("open_s"), figure("cpu_s"), figure("client_mb"),
                             figure("server_mb"), against("cpu_s"), against("client_mb"), against("server_mb")])
            else:
                calls.append([row.title, name_of(client), figure("ops"), figure("cpu"), figure("p50"), figure("p99"),
                              figure("client_mb"), against("ops"), against("cpu")])
        for target in row.targets:
            found = ratio(samples, target.client, target.other, target.figure)
            if found is None:
                continue
            is_met = found >= target.limit if target.bound == ">=" else found <= target.limit
            what = {"ops": "operations", "cpu": "processor time an operation", "cpu_s": "processor time",
                    "client_mb": "client's memory", "server_mb": "server's memory"}[target.figure]
            targets.append([f"{row.title}: {what}", NAMES[target.client], f"{number(found)} × {NAMES[target.other]}",
                            f"{'at least' if target.bound == '>=' else 'at most'} {number(target.limit)}",
                            "pass" if is_met else "**miss**"])
        if row.name.startswith("tls"):
            costs = {name: (ratio(samples, name + "+tls", name, "cpu"), ratio(samples, name + "+tls", name, "ops"))
                     for name in ("default", "go")}
            if all(all(pair) for pair in costs.values()):
                (ours, our_ops), (theirs, their_ops) = costs["default"], costs["go"]
                targets.append([f"{row.title}: processor time, TLS against plaintext", NAMES["default"],
                                f"{number(ours)} ×, Go {number(theirs)} ×", "at most Go's", "pass" if ours <= theirs else "**miss**"])
                targets.append([f"{row.title}: operations, TLS against plaintext", NAMES["default"],
                                f"{number(our_ops)} ×, Go {number(their_ops)} ×", "at least Go's",
                                "pass" if our_ops >= their_ops else "**miss**"])
    tables = {
        "calls": table(["Operation", "Client", "Operations/s", "CPU µs each", "P50 ms", "P99 ms", "Memory MB",
                        "Operations ÷ Go", "CPU ÷ Go"], calls),
        "held": table(["Held", "Client", "Opened in s", "CPU s", "Memory MB", "Server's memory MB", "CPU ÷ Go",
                       "Memory ÷ Go", "Server's ÷ Go"], held),
        "targets": table(["Target", "Client", "Measured", "Wanted", "Verdict"], targets),
        "commands": commands(results),
        "machine": describe(results.get("machine", {})),
    }
    return tables if results.get("is_report") else "\n\n".join(tables[name] for name in ("calls", "held", "targets"))


def commands(results):
    lines = []
    for row in rows():
        for client, samples in results["rows"].get(row.name, {}).items():
            lines.append(f"{row.name:14} {client:12} {samples[0]['command']}")
    return "```text\n" + "\n".join(lines) + "\n```"


def describe(found):
    if not found:
        return "Not measured yet."
    return (f"{found['processors']} cores of {found['processor']}, {found['memory_gb']} GB, {found['system']}; {found['etcd']}; "
            f"commit {found['commit']}, {found['date']}.")


def scaling(results):
    parts = []
    for name, (title, _, _) in SCALES.items():
        samples = results["rows"].get(name)
        if not samples:
            continue
        is_held = name in ("watches", "leases")
        keys = ["open_s", "cpu_s", "client_mb", "server_mb", "server_cpu_s"] if is_held else [
            "ops", "cpu", "p50", "p99", "client_mb", "server_mb"]
        header = [title[0].upper() + title[1:], *(
            ["Opened in s", "CPU s", "Memory MB", "Server's memory MB", "Server's CPU s"] if is_held else
            ["Operations/s", "CPU µs each", "P50 ms", "P99 ms", "Memory MB", "Server's memory MB"])]
        lines = [[f"{int(load):,}", *(number(median(runs, key)) for key in keys)] for load, runs in sorted(samples.items(), key=lambda item: int(item[0]))]
        parts.append(table(header, lines))
    found = results["rows"].get("mirrors")
    if found:
        keys = ["range_s", "range_cpu_s", "list_s", "list_cpu_s", "change_ms", "client_mb", "server_mb"]
        header = ["Range and mirror of entries", "Read in pages in s", "CPU s", "Mirror ready in s", "CPU s",
                  "A change seen in ms", "Memory MB", "Server's memory MB"]
        parts.append(table(header, [[f"{int(load):,}", *(number(runs[0].get(key)) for key in keys)]
                                    for load, runs in found.items()]))
    return "\n\n".join(parts)


def report():
    """Writes tables into the page and plots beside it."""
    results, scales = read_results("compare"), read_results("scale")
    results["is_report"] = True
    tables = comparison(results)
    tables["scale"] = scaling(scales)
    budgets = (ROOT / "Tests/Budgets/budgets.txt").read_text().split("\n")
    tables["budgets"] = table(["Operation", "Counted", "Budget"], [
        [name, kind, number(float(value))] for kind, value, name in
        (line.split(None, 2) for line in budgets if line and not line.startswith("#"))])
    plots(results, scales)
    if not PAGE.exists():
        print("\n\n".join(tables.values()))
        return
    text = PAGE.read_text()
    for name, content in tables.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        if begin in text and end in text and content.strip():
            text = text[: text.index(begin) + len(begin)] + "\n" + content + "\n" + text[text.index(end):]
    PAGE.write_text(text)
    print(f"performance: the tables are in {PAGE.relative_to(ROOT)}, the plots in {FOLDER.relative_to(ROOT)}")


# --- Plots ---------------------------------------------------------------------------------------------------------

COLORS = ["#1f6feb", "#2da44e", "#bf8700", "#8250df", "#cf222e"]


def svg(name, width, height, parts):
    (FOLDER / f"{name}.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")


def text_at(x, y, words, anchor="start", more=""):
    words = str(words).replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{words}</text>'


def bars(name, title, groups, series):
    """Groups of bars: `series` maps a name to a value for each group."""
    left, top, height, width = 60, 60, 240, 110
    most = max((value for values in series.values() for value in values if value), default=0)
    if not most:
        return
    parts = [text_at(left, 22, title, more='font-weight="bold" font-size="14"')]
    for index, label in enumerate(series):
        x = left + index * 150
        parts += [f'<rect x="{x}" y="34" width="10" height="10" fill="{COLORS[index]}"/>', text_at(x + 15, 43, label)]
    step = 10 ** math.floor(math.log10(most))
    step = step if most / step >= 4 else step / 2 if most / step >= 2 else step / 5
    for line in range(int(most / step) + 1):
        y = top + height - line * step / most * height
        parts.append(f'<line x1="{left}" x2="{left + width * len(groups)}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(text_at(left - 6, y + 4, f"{line * step:,g}", "end"))
    bar = (width - 20) / len(series)
    for group, label in enumerate(groups):
        parts.append(text_at(left + width * (group + 0.5), top + height + 18, label, "middle"))
        for index, values in enumerate(series.values()):
            if values[group]:
                size = values[group] / most * height
                x = left + width * group + 10 + index * bar
                parts.append(f'<rect x="{x:.1f}" y="{top + height - size:.1f}" width="{bar - 2:.1f}" height="{size:.1f}" '
                             f'fill="{COLORS[index]}"><title>{number(values[group])}</title></rect>')
    svg(name, left + width * len(groups) + 20, top + height + 30, parts)


def power_of_ten(power):
    return f"{10 ** power:,}" if power >= 0 else f"{10 ** power:g}"


def lines(name, title, series):
    """Curves over loads; both axes are logarithmic."""
    left, top, width, height = 70, 60, 520, 260
    points = [(x, y) for curve in series.values() for x, y in curve if y]
    if not points:
        return
    low_x, high_x = (math.floor(math.log10(min(x for x, _ in points))), math.ceil(math.log10(max(x for x, _ in points))))
    low_y, high_y = (math.floor(math.log10(min(y for _, y in points))), math.ceil(math.log10(max(y for _, y in points))))
    high_x, high_y = max(high_x, low_x + 1), max(high_y, low_y + 1)
    place_x = lambda x: left + (math.log10(x) - low_x) / (high_x - low_x) * width
    place_y = lambda y: top + height - (math.log10(y) - low_y) / (high_y - low_y) * height
    parts = [text_at(left, 22, title, more='font-weight="bold" font-size="14"')]
    for power in range(low_x, high_x + 1):
        x = place_x(10 ** power)
        parts += [f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + height}" stroke="#ddd"/>',
                  text_at(x, top + height + 18, power_of_ten(power), "middle")]
    for power in range(low_y, high_y + 1):
        y = place_y(10 ** power)
        parts += [f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>',
                  text_at(left - 6, y + 4, power_of_ten(power), "end")]
    for index, (label, curve) in enumerate(series.items()):
        curve = [(x, y) for x, y in curve if y]
        color = COLORS[index % len(COLORS)]
        x = left + index * 135
        parts += [f'<rect x="{x}" y="34" width="10" height="10" fill="{color}"/>', text_at(x + 15, 43, label)]
        path = " ".join(f"{place_x(x):.1f},{place_y(y):.1f}" for x, y in curve)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{place_x(x):.1f}" cy="{place_y(y):.1f}" r="3" fill="{color}"/>' for x, y in curve]
    svg(name, left + width + 40, top + height + 30, parts)


def plots(results, scales):
    FOLDER.mkdir(parents=True, exist_ok=True)
    shown = [row for row in rows() if row.name in results["rows"] and not row.holds and not row.name.startswith("tls")]
    calls = [row for row in shown if row.op != "watch"]
    groups = [row.name.replace("-", ", ") for row in calls]
    for figure, title in (("ops", "Operations a second (more is better)"),
                          ("cpu", "Client's processor time of an operation, in µs (less is better)")):
        series = {NAMES[client]: [median(results["rows"][row.name].get(client, []), figure) for row in calls]
                  for client in NAMES if client != "alone"}
        if calls:
            bars(f"compare-{figure}", title, groups, series)

    def curve(name, figure):
        return [(int(load), median(runs, figure)) for load, runs in scales["rows"].get(name, {}).items()]

    lines("scale-callers", "Operations a second by the number of callers",
          {"put": curve("callers-put", "ops"), "get": curve("callers-get", "ops")})
    lines("scale-values", "Operations a second by the size of values in bytes",
          {"put": curve("values-put", "ops"), "get": curve("values-get", "ops")})
    for name in ("watches", "leases"):
        lines(f"scale-{name}", f"Memory in MB and processor time in s by the number of {name}",
              {"client's MB": curve(name, "client_mb"), "server's MB": curve(name, "server_mb"),
               "client's CPU s": curve(name, "cpu_s"), "opened in s": curve(name, "open_s")})
    lines("scale-mirrors", "A mirror by the number of its entries",
          {"ready in s": curve("mirrors", "list_s"), "range in s": curve("mirrors", "range_s"),
           "client's MB": curve("mirrors", "client_mb"), "server's MB": curve("mirrors", "server_mb")})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["compare", "scale", "report"])
    parser.add_argument("--etcd", default=os.environ.get("ETCD_BINARY") or shutil.which("etcd"),
                        help="an etcd of 3.5 or later ($ETCD_BINARY, or the one on PATH)")
    parser.add_argument("--monitor", default=str(ROOT / ".build/release/etcd-monitor"),
                        help="this package's program (.build/release/etcd-monitor)")
    parser.add_argument("--alone", help="the program of that name in Benchmarks (its release build, if there is one)")
    parser.add_argument("--peer", help="a program that does the same with Go's client")
    parser.add_argument("--h2load", default=shutil.which("h2load"), help="nghttp2's load generator (the one on PATH)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each client has its turn (5)")
    parser.add_argument("--only", action="append", metavar="ROW", help="measure this row, and keep the others' results")
    parser.add_argument("--append", action="store_true", help="add rounds to the results that there are")
    parser.add_argument("--quick", action="store_true", help="two minutes, to see that all works; keeps no results")
    options = parser.parse_args()
    if options.command == "report":
        return report()
    if not options.etcd or not os.access(options.monitor, os.X_OK):
        sys.exit("performance: needs an etcd, and swift build -c release --product etcd-monitor")
    built = ROOT / "Benchmarks/.build/release/alone"
    options.alone = options.alone or (str(built) if os.access(built, os.X_OK) else None)
    folder = tempfile.mkdtemp(prefix="performance-")
    try:
        (compare if options.command == "compare" else scale)(options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
