# SPDX-License-Identifier: Apache-2.0
"""The systemd unit, which is never installed or started."""
import json
import os
import re
import tempfile

from .report import GRACE, program, run, text

UNIT = ("systemd", "etcd-monitor.service")
HARDENING = {
    "DynamicUser": ["yes"], "NoNewPrivileges": ["yes"], "ProtectSystem": ["strict"], "ProtectHome": ["yes"],
    "PrivateTmp": ["yes"], "PrivateDevices": ["yes"], "CapabilityBoundingSet": [""], "MemoryDenyWriteExecute": ["yes"],
    "SystemCallFilter": ["@system-service", "~@privileged @resources"], "User": None,
}
# Of 100; systemd calls up to 20 "ok".
MAXIMUM_EXPOSURE = 15


def entries():
    """The settings of the unit, by name."""
    found = {}
    for line in text(*UNIT).splitlines():
        if match := re.match(r"(\w+)=(.*)", line):
            found.setdefault(match.group(1), []).append(match.group(2))
    return found


def check(report):
    unit, settings = entries(), text("systemd", "etcd-monitor.json")
    for name, value in HARDENING.items():
        report.same(f"{name} has the expected value", unit.get(name), value)
    report.same("it restarts after failures, but not with invalid settings",
                (unit.get("Restart"), unit.get("RestartPreventExitStatus")), (["on-failure"], ["64"]))
    report.same("it has the time to stop", unit.get("TimeoutStopSec"), [str(GRACE)])
    identity, folder = unit["LoadCredential"][0].split(":")
    report.check("the secrets are in a protected folder", folder.startswith("/etc/etcd-monitor/"))
    names = re.findall(r'"\$\{CREDENTIALS_DIRECTORY\}/([^"]+)"', settings)
    report.check("the settings use the paths of systemd credentials",
                 names and all(name.startswith(identity + "_") for name in names), names)
    state = f"/var/lib/{unit['StateDirectory'][0]}/"
    written = [json.loads(settings)["historyFile"], json.loads(settings)["alerts"]["stateFile"]]
    report.check("it writes only to its state folder", all(path.startswith(state) for path in written), written)
    analyze = program("systemd-analyze")
    if not analyze:
        return report.skip("systemd-analyze verify and security", "systemd-analyze")
    with tempfile.TemporaryDirectory() as temporary:
        # The program is not installed here, so another program replaces it.
        copy = os.path.join(temporary, UNIT[-1])
        with open(copy, "w", encoding="utf-8") as file:
            file.write(text(*UNIT).replace("/usr/local/bin/etcd-monitor", "/bin/true"))
        status, output = run(analyze, "verify", copy)
        report.check("systemd-analyze verify reports no error", status == 0 and not output, output)
        threshold = f"--threshold={MAXIMUM_EXPOSURE}"
        status, output = run(analyze, "security", "--no-pager", "--offline=yes", threshold, copy)
        report.check(f"its exposure is at most {MAXIMUM_EXPOSURE / 10}", status == 0, output.splitlines()[-1:])
