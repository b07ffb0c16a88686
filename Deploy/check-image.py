#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the steps of the Dockerfile without Docker, and tests the result. Needs root, Debian bookworm and Swift.

usage: check-image.py [FOLDER]

The build stage is a copy-on-write view of this machine's own file system, instead of the image of Swift. The last
stage is a new Debian, made by debootstrap (a package of Debian). The script runs each RUN and COPY of the Dockerfile in
these stages. Then it runs the program in the last stage as its user, with its volume as the only writable folder.
It makes a release build, which takes minutes. FOLDER keeps the stages for inspection.
"""
import contextlib
import glob
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.dont_write_bytecode = True
from checks.dockerfile import instructions
from checks.report import DEPLOY, ROOT

DOCKERFILE = os.path.join(DEPLOY, "Dockerfile")


def mirror():
    """The package mirror of this machine."""
    for path in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")) + ["/etc/apt/sources.list"]:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                if match := re.search(r"^(?:URIs: |deb (?:\[.*?\] )?)(\S+)", file.read(), re.M):
                    return match.group(1)
    sys.exit("no package mirror found")


def run(*command, **options):
    return subprocess.run(command, check=True, **options)


class Stage:
    """A stage of the image: a root folder, and its settings from the Dockerfile."""

    def __init__(self, base, folder):
        self.root, self.folder, self.env, self.facts = os.path.join(folder, "root"), folder, {}, {}
        self.workdir, self.user = "/", "0:0"
        os.makedirs(self.root)
        if base.startswith("swift:"):
            layers = [os.path.join(folder, name) for name in ("upper", "work")]
            for layer in layers:
                os.makedirs(layer)
            self.view = "lowerdir=/,upperdir={},workdir={}".format(*layers)
            self.path = os.environ["PATH"]
        else:
            suite = re.match(r"debian:(\w+)-slim", base).group(1)
            run("debootstrap", "--variant=minbase", suite, self.root, mirror(), stdout=subprocess.DEVNULL)
            self.view, self.path = None, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    def command(self, command, user="0:0", writable=True, volumes=()):
        """A command that runs in the stage, with mounts of its own, which end with it."""
        root = shlex.quote(self.root)
        mounts = []
        if self.view:
            mounts.append(f"mount -t overlay overlay -o {self.view} {root}")
        else:
            mounts.append(f"mount --bind {root} {root}")
        if writable:
            mounts.append(f"mount --bind /etc/resolv.conf {root}/etc/resolv.conf")
        else:
            mounts.append(f"mount -o remount,bind,ro {root}")
        for source, target in volumes:
            mounts.append(f"mount --bind {source} {root}{target}")
        mounts += [f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev"]
        own = {"PATH": self.path, "HOME": "/root" if user == "0:0" else "/"}
        environment = [f"{name}={value}" for name, value in (own | self.env).items()]
        inner = ["env", "-i", *environment, "sh", "-c", f"cd {self.workdir} && exec \"$@\"", "sh", *command]
        mounts.append(shlex.join(["exec", "chroot", f"--userspec={user}", "--groups=", self.root, *inner]))
        return ["unshare", "-m", "sh", "-ec", "\n".join(mounts)]

    def run(self, *command, **options):
        return run(*self.command(command), **options)

    def copy(self, source, target):
        """Copies a path of this machine to a path of the stage."""
        target = target + os.path.basename(source) if target.endswith("/") else target
        pack = subprocess.Popen(["tar", "-C", os.path.dirname(source), "-c", os.path.basename(source)],
                                stdout=subprocess.PIPE)
        script = 'mkdir -p "$(dirname "$1")" && cd "$(dirname "$1")" && tar -x --no-same-owner'
        if os.path.basename(source) != os.path.basename(target.rstrip("/")):
            sys.exit(f"COPY to another name is not supported: {source} {target}")
        self.run("sh", "-c", script, "sh", target.rstrip("/"), stdin=pack.stdout)
        if pack.wait():
            sys.exit(f"{source} cannot be packed")

    def apply(self, word, text, stages, context):
        if word == "RUN":
            self.run("sh", "-c", text)
        elif word == "WORKDIR":
            self.run("mkdir", "-p", text)
            self.workdir = text
        elif word == "ENV":
            self.env |= dict(item.split("=", 1) for item in shlex.split(text))
        elif word == "USER":
            self.user = text
        elif word == "COPY":
            *sources, target = shlex.split(text)
            origin = context
            if sources[0].startswith("--from="):
                origin = stages[sources.pop(0)[len("--from="):]]
            if not target.startswith("/"):
                target = os.path.normpath(os.path.join(self.workdir, target)) + ("/" if target.endswith("/") else "")
            for source in sources:
                self.copy(origin.lend(source), target)
        elif word in ("LABEL", "EXPOSE", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"):
            self.facts[word] = text
        else:
            sys.exit(f"{word} is not supported")

    def lend(self, path):
        """The path on this machine of a path of the stage."""
        return (os.path.join(self.folder, "upper") if self.view else self.root) + path


class Context:
    """The build context: the files in git, without those that .dockerignore excludes."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        wanted = [line[1:].strip() for line in open(DOCKERFILE + ".dockerignore") if line.startswith("!")]
        files = run("git", "-C", ROOT, "ls-files", "-z", *wanted, stdout=subprocess.PIPE).stdout
        run("rsync", "-a", "--from0", "--files-from=-", ROOT + "/", folder + "/", input=files)

    def lend(self, path):
        return os.path.join(self.folder, path.rstrip("/"))


def check(title, isGood, evidence=""):
    print(f"{'ok' if isGood else 'FAILED'}: {title}" + (f" ({evidence})" if evidence else ""), flush=True)
    if not isGood:
        sys.exit(1)


@contextlib.contextmanager
def etcd(folder):
    """A private etcd, and its address."""
    port, peer = free_port(), free_port()
    process = subprocess.Popen(
        ["etcd", f"--data-dir={folder}/etcd",
         f"--listen-client-urls=http://127.0.0.1:{port}", f"--advertise-client-urls=http://127.0.0.1:{port}",
         f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
         f"--initial-cluster=default=http://127.0.0.1:{peer}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answer(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status
    except OSError as error:
        return getattr(error, "code", None)


def eventually(condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return False


def try_image(stage, folder):
    """Runs the program of the image as a container would."""
    entrypoint = json.loads(stage.facts["ENTRYPOINT"])
    health = json.loads(stage.facts["HEALTHCHECK"].split("CMD", 1)[1])
    volume = json.loads(stage.facts["VOLUME"])[0]
    state = os.path.join(folder, "volume")
    shutil.copytree(stage.root + volume, state)
    shutil.copystat(stage.root + volume, state)
    uid, gid = (int(number) for number in stage.user.split(":"))
    os.chown(state, uid, gid)
    port = free_port()
    # The settings of the compose file, mounted in the same way.
    settings, mounted = os.path.join(folder, "etcd-monitor.json"), "/etc/etcd-monitor/etcd-monitor.json"
    stage.run("sh", "-c", f"mkdir -p {os.path.dirname(mounted)} && touch {mounted}")
    options = {"user": stage.user, "writable": False, "volumes": [(state, volume), (settings, mounted)]}
    shutil.copy(os.path.join(DEPLOY, "compose", "etcd-monitor.json"), settings)
    os.chmod(settings, 0o644)

    def output(*command):
        return subprocess.run(stage.command(command, **options), capture_output=True, text=True)

    check("the user is not root, and owns the volume", uid > 0 and os.stat(stage.root + volume).st_uid == uid)
    check("the root file system is read-only", output("touch", "/x").returncode != 0)
    check("the volume is writable", output("touch", f"{volume}/x").returncode == 0)
    linked = output("ldd", "/usr/local/bin/etcd-monitor").stdout
    check("the last stage has all libraries", "not found" not in linked)
    print("".join(f"    {line.strip()}\n" for line in linked.splitlines()), end="")
    check("no Swift library is needed", "swift" not in linked.lower() and "Foundation" not in linked)
    check("--version", output(*entrypoint, "--version").stdout.startswith("etcd-monitor "))
    check("--help", "USAGE" in output(*entrypoint, "--help").stdout)
    stage.env["ETCD_MONITOR_API_PORT"] = str(port)
    check("the health check fails while nothing serves", output(*health).returncode == 1)
    with etcd(folder) as endpoint:
        with open(settings, encoding="utf-8") as file:
            content = json.load(file)
        content["clusters"]["compose"]["endpoints"] = [endpoint]
        with open(settings, "w", encoding="utf-8") as file:
            json.dump(content, file)
        stage.env["ETCD_MONITOR_CONFIG"] = mounted
        process = subprocess.Popen(stage.command(entrypoint, **options), stdout=subprocess.PIPE, text=True)
        try:
            check("it becomes ready", eventually(lambda: answer(f"http://127.0.0.1:{port}/readyz") == 200))
            check("the health check passes", output(*health).returncode == 0, output(*health).stdout.strip())
            owner = os.stat(f"/proc/{process.pid}").st_uid
            check("it runs as the user", owner == uid, f"uid {owner}")
            for name in ("history.jsonl", "alerts.json"):
                check(f"it keeps {name}", eventually(lambda: os.path.exists(f"{state}/{name}")))
            process.terminate()
            status = process.wait(timeout=30)
            check("SIGTERM stops it with status 0", status == 0, process.stdout.read().strip().replace("\n", "; "))
        finally:
            process.kill()


def main():
    if os.geteuid() != 0 or not shutil.which("debootstrap") or not shutil.which("rsync"):
        sys.exit("this needs root, debootstrap and rsync")
    folder = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else tempfile.mkdtemp(dir="/var/tmp")
    shutil.rmtree(folder, ignore_errors=True)
    context, stages, stage = Context(os.path.join(folder, "context")), {}, None
    for word, text in instructions():
        print(f"{word} {text}", flush=True)
        start = time.monotonic()
        if word == "FROM":
            base, *name = text.split(" AS ")
            stage = stages[name[0] if name else ""] = Stage(base, os.path.join(folder, name[0] if name else "last"))
        else:
            stage.apply(word, text, stages, context)
        if time.monotonic() - start > 1:
            print(f"    {time.monotonic() - start:.0f} s")
    try_image(stage, folder)
    size = int(run("du", "-sm", "--one-file-system", stage.root, stdout=subprocess.PIPE).stdout.split()[0])
    program = os.path.getsize(stage.root + "/usr/local/bin/etcd-monitor") >> 20
    print(f"The last stage has {size} MB, of which the program has {program} MB.")
    if len(sys.argv) < 2:
        shutil.rmtree(folder)


main()
