#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The version, which stands in several files.

    scripts/version.py           fails if the files do not agree, or CHANGELOG.md does not have the version
    scripts/version.py VERSION   writes it into all of them

CHANGELOG.md is written by hand.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = r"\d+\.\d+\.\d+"
# Each file, and the expression whose group is the version in it.
PLACES = {
    "Sources/EtcdMonitorKit/MonitorVersion.swift": rf'static let current = "({VERSION})"',
    "Docs/openapi.yaml": rf"^  version: ({VERSION})$",
    "Deploy/Dockerfile": rf'org\.opencontainers\.image\.version="({VERSION})"',
    "Deploy/kubernetes/base/kustomization.yaml": rf"^    newTag: ({VERSION})$",
    "Deploy/helm/etcd-monitor/Chart.yaml": rf"^version: ({VERSION})$",
    "Deploy/helm/etcd-monitor/Chart.yaml#app": rf"^appVersion: ({VERSION})$",
    "README.md": rf'\.package\(url: "[^"]*etcd-kit[^"]*", from: "({VERSION})"\)',
}


def main():
    if len(sys.argv) > 2 or len(sys.argv) == 2 and not re.fullmatch(VERSION, sys.argv[1]):
        sys.exit(__doc__)
    found = {}
    for place, expression in PLACES.items():
        path = ROOT / place.partition("#")[0]
        text = path.read_text()
        match = re.search(expression, text, re.MULTILINE)
        if match is None:
            # README names the version only once the package can be had from a repository.
            if place != "README.md":
                sys.exit(f"version: {place} has no line like {expression}")
        elif len(sys.argv) == 2:
            path.write_text(text[: match.start(1)] + sys.argv[1] + text[match.end(1) :])
        else:
            found[place] = match[1]
    if len(sys.argv) == 2:
        return
    if len(set(found.values())) > 1:
        sys.exit("version: the files do not agree\n" + "\n".join(f"  {version}  {place}" for place, version in found.items()))
    version = next(iter(found.values()))
    if not re.search(rf"^## {re.escape(version)} - (\d{{4}}-\d\d-\d\d|unreleased)$", (ROOT / "CHANGELOG.md").read_text(), re.M):
        sys.exit(f"version: CHANGELOG.md has no section {version}")


if __name__ == "__main__":
    main()
