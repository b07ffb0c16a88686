# SPDX-License-Identifier: Apache-2.0
"""The unit of systemd; it is never installed or started."""
import json
import os
import re
import tempfile

from .report import program, run, text

UNIT = ("systemd", "etcd-monitor.service")
HARDENING = {
    "DynamicUser": ["yes"], "NoNewPrivileges": ["yes"], "ProtectSystem": ["strict"], "ProtectHome": ["yes"],
    "PrivateTmp": ["yes"], "PrivateDevices": ["yes"], "CapabilityBoundingSet": [""], "MemoryDenyWriteExecute": ["yes"],
    "SystemCallFilter": ["@system-service", "~@privileged @resources"], "User": None,
}
# Of 100; systemd calls up to 20 "ok".
MAXIMUM_EXPOSURE = 15


def entries():
    """The settings of the unit, by their names."""
    found = {}
    for line in text(*UNIT).splitlines():
        if match := re.match(r"(\w+)=(.*)", line):
            found.setdefault(match.group(1), []).append(match.group(2))
    return found


def check(report):
    unit, settings = entries(), text("systemd", "etcd-monitor.json")
    for name, value in HARDENING.items():
        report.same(f"{name} is as it should be", unit.get(name), value)
    report.same("failures start it again, but not settings that make no sense",
                (unit.get("Restart"), unit.get("RestartPreventExitStatus")), (["on-failure"], ["64"]))
    identity, folder = unit["LoadCredential"][0].split(":")
    report.check("secrets are not in a place that others read", folder.startswith("/etc/etcd-monitor/"))
    names = re.findall(r'"\$\{CREDENTIALS_DIRECTORY\}/([^"]+)"', settings)
    report.check("the settings name secrets as systemd does",
                 names and all(name.startswith(identity + "_") for name in names), names)
    state = f"/var/lib/{unit['StateDirectory'][0]}/"
    written = [json.loads(settings)["historyFile"], json.loads(settings)["alerts"]["stateFile"]]
    report.check("it writes where it may", all(path.startswith(state) for path in written), written)
    analyze = program("systemd-analyze")
    if not analyze:
        return report.skip("systemd-analyze verify and security", "systemd-analyze")
    with tempfile.TemporaryDirectory() as temporary:
        # The program is not installed here, so another takes its place.
        copy = os.path.join(temporary, UNIT[-1])
        with open(copy, "w", encoding="utf-8") as file:
            file.write(text(*UNIT).replace("/usr/local/bin/etcd-monitor", "/bin/true"))
        status, output = run(analyze, "verify", copy)
        report.check("systemd-analyze verify finds nothing", status == 0 and not output, output)
        threshold = f"--threshold={MAXIMUM_EXPOSURE}"
        status, output = run(analyze, "security", "--no-pager", "--offline=yes", threshold, copy)
        report.check(f"its exposure is at most {MAXIMUM_EXPOSURE / 10}", status == 0, output.splitlines()[-1:])
