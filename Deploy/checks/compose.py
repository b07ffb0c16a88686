# SPDX-License-Identifier: Apache-2.0
"""The compose file, and the files that it mounts."""
import json
import os
import tempfile

import yaml

from . import dockerfile
from .report import DEPLOY, GRACE, program, run, text


def mounts(service):
    """The bind mounts of a service, as pairs of a host path and a container path."""
    pairs = [volume.split(":") for volume in service.get("volumes", [])]
    return {pair[1]: os.path.normpath(os.path.join(DEPLOY, pair[0])) for pair in pairs if pair[0].startswith(".")}


def check(report):
    file = yaml.safe_load(text("compose.yaml"))
    services = file["services"]
    etcds = [name for name in services if name.startswith("etcd-")]
    report.same("the services", sorted(services), sorted(etcds + ["grafana", "monitor", "prometheus"]))
    report.same("three etcds", len(etcds), 3)
    try:
        from compose_spec import PyCompose
        PyCompose.from_json(json.dumps(file))
        report.check("it is a valid compose file", True)
    except ImportError:
        report.skip("the specification of compose files", "compose-spec")
    except ValueError as error:
        report.check("it is a valid compose file", False, error)
    declared, used = set(file["volumes"]), set()
    for name, service in services.items():
        used |= {volume.split(":")[0] for volume in service["volumes"] if not volume.startswith(".")}
        missing = [path for path in mounts(service).values() if not os.path.isfile(path)]
        report.check(f"{name}: its mounted files exist", not missing, missing)
        report.check(f"{name}: has a health check", "healthcheck" in service or "build" in service)
        tag = service["image"].partition(":")[2]
        report.check(f"{name}: its image has a tag, or is built", "build" in service or tag not in ("", "latest"))
        report.check(f"{name}: is reachable only from this machine",
                     all(port.startswith("127.0.0.1:") for port in service.get("ports", [])))
        report.check(f"{name}: drops all capabilities", service.get("cap_drop") == ["ALL"])
    report.same("the declared volumes are the used ones", used, declared)
    check_etcds(report, {name: services[name]["environment"] for name in etcds})
    check_monitor(report, services["monitor"], etcds)
    check_prometheus(report, services["prometheus"], etcds)
    check_grafana(report, services["grafana"])


def check_etcds(report, environments):
    cluster = ",".join(f"{name}=http://{name}:2380" for name in environments)
    for name, environment in environments.items():
        own = [environment[f"ETCD_{key}"] for key in
               ("NAME", "ADVERTISE_CLIENT_URLS", "INITIAL_ADVERTISE_PEER_URLS", "INITIAL_CLUSTER")]
        report.same(f"{name}: its cluster has all members", own,
                    [name, f"http://{name}:2379", f"http://{name}:2380", cluster])


def check_monitor(report, service, etcds):
    settings = json.loads(text("compose", "etcd-monitor.json"))
    endpoints = settings["clusters"]["compose"]["endpoints"]
    report.same("monitor: monitors the members", endpoints, [f"http://{name}:2379" for name in etcds])
    report.check("monitor: reads the mounted settings",
                 service["environment"]["ETCD_MONITOR_CONFIG"] in mounts(service))
    state = json.loads(dockerfile.facts()["VOLUME"])[0]
    written = [settings["historyFile"], settings["alerts"]["stateFile"]]
    report.check("monitor: writes only to its volume",
                 f"monitor:{state}" in service["volumes"] and all(path.startswith(state + "/") for path in written))
    report.same("monitor: has the time to stop", service.get("stop_grace_period"), f"{GRACE}s")
    report.check("monitor: the root file system is read-only", service["read_only"] is True)
    report.check("monitor: is built from the Dockerfile",
                 os.path.isfile(os.path.join(DEPLOY, service["build"]["context"], service["build"]["dockerfile"])))
    report.check("monitor: its port is that of the image",
                 service["ports"][0].endswith(":" + dockerfile.facts()["EXPOSE"]), service["ports"])


def check_prometheus(report, service, etcds):
    inside = mounts(service)
    configuration = yaml.safe_load(text("compose", "prometheus.yml"))
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in configuration["scrape_configs"]}
    report.same("prometheus: scrapes etcd and the monitor", targets,
                {"etcd": [f"{name}:2379" for name in etcds], "etcd-monitor": ["monitor:8080"]})
    promtool = program("promtool")
    if not promtool:
        return report.skip("the configuration of Prometheus and its rules", "promtool")
    with tempfile.TemporaryDirectory() as folder:
        # promtool looks for the rules at their paths in the container.
        for path, source in inside.items():
            target = folder + path
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(source, encoding="utf-8") as original, open(target, "w", encoding="utf-8") as copy:
                copy.write(original.read().replace("/etc/prometheus/rules/", f"{folder}/etc/prometheus/rules/"))
        status, output = run(promtool, "check", "config", f"{folder}/etc/prometheus/prometheus.yml")
        report.check("promtool reports no error", status == 0, output)
        report.check("promtool finds both rule files", output.count("rules found") == 2, output)


def check_grafana(report, service):
    inside = mounts(service)
    sources = yaml.safe_load(text("compose", "grafana", "datasources.yaml"))["datasources"]
    provider = yaml.safe_load(text("compose", "grafana", "dashboards.yaml"))["providers"][0]
    boards = {path: here for path, here in inside.items() if path.endswith(".json")}
    report.same("grafana: reads the folder of the dashboard",
                [os.path.dirname(path) for path in boards], [provider["options"]["path"]])
    report.same("grafana: its only data source is Prometheus", [source["url"] for source in sources], ["http://prometheus:9090"])
    home = service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    report.same("grafana: the home page is the dashboard", [home], list(boards))
    for path in boards.values():
        if not os.path.isfile(path):
            continue
        with open(path, encoding="utf-8") as file:
            board = json.load(file)
        fixed = {uid for uid in data_sources(board["panels"]) if not uid.startswith("$")}
        report.check("grafana: the dashboard needs no import, and works with any Prometheus",
                     "__inputs" not in board and not fixed, fixed)


def data_sources(value):
    """The data sources in a part of a dashboard."""
    if isinstance(value, dict):
        source = value.get("datasource")
        if isinstance(source, dict) and "uid" in source:
            yield source["uid"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from data_sources(item)
