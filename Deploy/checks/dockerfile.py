# SPDX-License-Identifier: Apache-2.0
"""Parses and lints the Dockerfile; check-image.py runs its steps."""
import json
import os
import re

from .report import DEPLOY, ROOT, program, run, text


def instructions():
    """The instructions, as pairs of a keyword and its text."""
    lines = "\n".join(line for line in text("Dockerfile").splitlines() if not line.lstrip().startswith("#"))
    return [tuple(line.split(maxsplit=1)) for line in lines.replace("\\\n", " ").splitlines() if line.strip()]


def facts():
    """The instructions of the last stage, by keyword."""
    found = {}
    for word, rest in instructions():
        if word == "FROM":
            found = {}
        found[word] = rest
    return found


def version():
    """The version of the program."""
    with open(os.path.join(ROOT, "Sources/EtcdMonitorKit/MonitorVersion.swift"), encoding="utf-8") as file:
        return re.search(r'current = "([^"]+)"', file.read()).group(1)


def check(report):
    last = facts()
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    report.check("each base image has a tag", all(":" in base and "latest" not in base for base in bases), bases)
    report.check("the last user is a number, and not root", re.fullmatch(r"[1-9]\d*:[1-9]\d*", last.get("USER", "")))
    report.check("SIGTERM stops it", last.get("STOPSIGNAL") == "SIGTERM")
    for word in ("ENTRYPOINT", "HEALTHCHECK"):
        command = last.get(word, "").split("CMD")[-1].strip()
        report.check(f"{word} needs no shell", command.startswith("[") and json.loads(command)[0] == "etcd-monitor")
    report.check("its version is the program's", f'image.version="{version()}"' in last.get("LABEL", ""), version())
    patterns = text("Dockerfile.dockerignore").splitlines()
    copied = {rest.split()[0] for word, rest in instructions() if word == "COPY" and not rest.startswith("--from")}
    kept = {pattern[1:] for pattern in patterns if pattern.startswith("!")}
    report.same("the build context contains exactly the copied files", ("*" in patterns, kept), (True, copied))
    if hadolint := program("hadolint"):
        status, output = run(hadolint, os.path.join(DEPLOY, "Dockerfile"))
        report.check("hadolint reports no error", status == 0, output)
    else:
        report.skip("lint", "hadolint")
