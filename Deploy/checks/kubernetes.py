# SPDX-License-Identifier: Apache-2.0
"""The manifests as kustomize builds them: their schemas, and their references to each other."""
import json
import os
import re

import yaml

from . import dockerfile
from .report import DEPLOY, GRACE, ROOT, program, run, text

RULES = {"etcd-monitor-etcd-rules": "etcd-rules.yaml", "etcd-monitor-rules": "etcd-monitor-rules.yaml"}
PLACE = ("kubernetes", "prometheus-operator")
# The oldest supported version, as in the chart.
OLDEST = "1.25"


class Dumper(yaml.SafeDumper):
    """Writes multi-line texts in the literal style: kustomize adds empty lines to folded ones."""

    def represent_str(self, value):
        return self.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


Dumper.add_representer(str, Dumper.represent_str)


def rules_of(file):
    with open(os.path.join(ROOT, "Docs", "monitoring", file), encoding="utf-8") as rules:
        return yaml.safe_load(rules)


def write_rules():
    """Writes a PrometheusRule for each rule file, because kustomize reads no file outside its folder."""
    for name, file in RULES.items():
        labels = {"app.kubernetes.io/name": "etcd-monitor", "app.kubernetes.io/instance": "etcd-monitor"}
        manifest = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule",
                    "metadata": {"name": name, "labels": labels}, "spec": rules_of(file)}
        with open(os.path.join(DEPLOY, *PLACE, file), "w", encoding="utf-8") as target:
            target.write("# SPDX-License-Identifier: Apache-2.0\n#\n")
            target.write(f"# Docs/monitoring/{file}, written here by: Deploy/check.py --write\n")
            yaml.dump(manifest, target, Dumper=Dumper, sort_keys=False, width=1000, allow_unicode=True)


def built():
    """All objects as kustomize builds them; None without kustomize."""
    folder = os.path.join(DEPLOY, *PLACE)
    if kustomize := program("kustomize"):
        status, output = run(kustomize, "build", folder)
    elif kubectl := program("kubectl"):
        status, output = run(kubectl, "kustomize", folder)
    else:
        return None
    if status:
        raise ValueError(output)
    return list(yaml.safe_load_all(output))


def check(report):
    for file in RULES.values():
        rules = yaml.safe_load(text(*PLACE, file))["spec"]
        report.check(f"{file}: is that of Docs/monitoring", rules == rules_of(file),
                     "run Deploy/check.py --write")
    kustomization = yaml.safe_load(text("kubernetes", "base", "kustomization.yaml"))
    report.same("its image is that of the program", kustomization["images"],
                [{"name": "etcd-monitor", "newTag": dockerfile.version()}])
    objects = built()
    if objects is None:
        return report.skip("the built manifests", "kubectl or kustomize")
    check_objects(report, objects)


def check_objects(report, objects):
    """Checks all objects of one installation."""
    check_schemas(report, objects)
    report.check("no object has a namespace of its own", not [o for o in objects if "namespace" in o["metadata"]])
    report.check("no object is a Secret", not of_kind(objects, "Secret"))
    check_selectors(report, objects)
    check_ports(report, objects)
    check_files(report, objects)
    check_security(report, objects)
    check_traffic(report, objects)


def of_kind(objects, kind):
    return [item for item in objects if item["kind"] == kind]


def settings(objects):
    return json.loads(of_kind(objects, "ConfigMap")[0]["data"]["etcd-monitor.json"])


def pod(objects):
    return of_kind(objects, "Deployment")[0]["spec"]["template"]


def check_schemas(report, objects):
    known = [item for item in objects if "coreos.com" not in item["apiVersion"]]
    try:
        import kubernetes_validate
    except ImportError:
        return report.skip("the schemas of Kubernetes", "kubernetes-validate")
    for version in (OLDEST, kubernetes_validate.latest_version()):
        for item in known:
            try:
                kubernetes_validate.validate(item, version, strict=True)
                report.check(f"{item['kind']}: matches the schema of Kubernetes {version}", True)
            except kubernetes_validate.ValidationError as error:
                report.check(f"{item['kind']}: matches the schema of Kubernetes {version}", False, error.message)


def check_selectors(report, objects):
    labels = pod(objects)["metadata"]["labels"]
    service = of_kind(objects, "Service")[0]
    selectors = {
        "Deployment": of_kind(objects, "Deployment")[0]["spec"]["selector"]["matchLabels"],
        "Service": service["spec"]["selector"],
        "NetworkPolicy": of_kind(objects, "NetworkPolicy")[0]["spec"]["podSelector"]["matchLabels"],
    }
    for kind, selector in selectors.items():
        report.check(f"{kind}: selects the pod", selector and selector.items() <= labels.items(), selector)
    for monitor in of_kind(objects, "ServiceMonitor"):
        selector = monitor["spec"]["selector"]["matchLabels"]
        report.check("ServiceMonitor: selects the Service", selector.items() <= service["metadata"]["labels"].items())


def check_ports(report, objects):
    container = pod(objects)["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    config = settings(objects)
    report.same("the container's port is that of the settings", ports, {"http": config.get("apiPort", 8080)})
    service = of_kind(objects, "Service")[0]["spec"]["ports"]
    policy = of_kind(objects, "NetworkPolicy")[0]["spec"]
    probes = {name: container[name]["httpGet"] for name in ("livenessProbe", "readinessProbe")}
    used = [port["targetPort"] for port in service] + [probe["port"] for probe in probes.values()]
    used += [port["port"] for rule in policy.get("ingress", []) for port in rule["ports"]]
    report.check("Service, probes and NetworkPolicy use this port", set(used) == set(ports), used)
    report.same("the probes use /healthz and /readyz",
                [probe["path"] for probe in probes.values()], ["/healthz", "/readyz"])
    scheme = "HTTPS" if "apiCert" in config else "HTTP"
    report.same("the probes use the scheme of the API",
                {probe.get("scheme", "HTTP") for probe in probes.values()}, {scheme})
    for monitor in of_kind(objects, "ServiceMonitor"):
        endpoint = monitor["spec"]["endpoints"][0]
        report.check("ServiceMonitor: uses the port of the Service and the scheme of the API",
                     endpoint["port"] == service[0]["name"] and endpoint.get("scheme", "http") == scheme.lower())
        mounted = secret_files(objects)
        token = endpoint["authorization"]["credentials"]
        report.same("ServiceMonitor: sends the token of the API",
                    config["apiTokenFile"], f"{mounted[token['name']]}/{token['key']}")


def secret_files(objects):
    """The mount path of each Secret."""
    spec = pod(objects)["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
    return {volume["secret"]["secretName"]: mounts[volume["name"]] for volume in spec["volumes"] if "secret" in volume}


def paths(value):
    """All paths in the settings."""
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    if isinstance(value, str) and value.startswith("/"):
        yield value
    for inner in values:
        yield from paths(inner)


def check_files(report, objects):
    spec, config = pod(objects)["spec"], settings(objects)
    container = spec["containers"][0]
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    report.same("the mounts and the volumes match",
                {mount["name"] for mount in mounts.values()}, set(volumes))
    report.check("whole folders are mounted, so that they follow their sources",
                 not [mount for mount in mounts.values() if "subPath" in mount])
    names = {kind: {item["metadata"]["name"] for item in of_kind(objects, kind)}
             for kind in ("ConfigMap", "PersistentVolumeClaim", "ServiceAccount")}
    for volume in volumes.values():
        if "configMap" in volume:
            report.check("the ConfigMap exists", volume["configMap"]["name"] in names["ConfigMap"])
        if "persistentVolumeClaim" in volume and names["PersistentVolumeClaim"]:
            report.check("the claim exists",
                         volume["persistentVolumeClaim"]["claimName"] in names["PersistentVolumeClaim"])
    report.check("the ServiceAccount exists", spec["serviceAccountName"] in names["ServiceAccount"])
    folder, file = os.path.split(container["args"][0].partition("=")[2])
    key = list(of_kind(objects, "ConfigMap")[0]["data"])
    report.check("the settings are at the expected path",
                 container["args"][0].startswith("--config=") and folder in mounts and key == [file])
    state = [path for path, mount in mounts.items() if not mount.get("readOnly")]
    report.same("only the image's volume is writable", state, json.loads(dockerfile.facts()["VOLUME"]))
    written = {config.get("historyFile"), config["alerts"].get("stateFile")} - {None}
    report.check("it writes only to that volume", all(path.startswith(state[0] + "/") for path in written), written)
    secrets = secret_files(objects)
    read = set(paths(config)) - written
    report.check("all other files that it reads are in a Secret",
                 all(os.path.dirname(path) in secrets.values() for path in read), read)
    report.same("each Secret is used", {os.path.dirname(path) for path in read}, set(secrets.values()))
    inline = re.findall(r'"(\w*(?:password|[tT]oken|[uU]rl|[kK]ey|[sS]ecret))": "(?!/)([^"]*)"', json.dumps(config))
    report.check("the settings contain no secret", not inline, inline)


def check_security(report, objects):
    spec = pod(objects)["spec"]
    own = spec["containers"][0]["securityContext"]
    user, group = (int(number) for number in dockerfile.facts()["USER"].split(":"))
    report.same("the pod has the image's user and no other rights", spec["securityContext"], {
        "runAsNonRoot": True, "runAsUser": user, "runAsGroup": group, "fsGroup": group,
        "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"}})
    report.same("the container has no further rights", own, {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}})
    mounts = [owner.get("automountServiceAccountToken") for owner in of_kind(objects, "ServiceAccount") + [spec]]
    report.same("it has no Kubernetes token", mounts, [False, False])
    deployment = of_kind(objects, "Deployment")[0]["spec"]
    report.check("there is never more than one pod",
                 deployment["replicas"] == 1 and deployment["strategy"] == {"type": "Recreate"})
    report.same("it has the time to stop", spec.get("terminationGracePeriodSeconds"), GRACE)
    report.check("its memory has a limit", "memory" in spec["containers"][0]["resources"]["limits"])


def check_traffic(report, objects):
    policy = of_kind(objects, "NetworkPolicy")[0]["spec"]
    report.same("NetworkPolicy: restricts both directions", sorted(policy["policyTypes"]), ["Egress", "Ingress"])
    open_ports = {(port["port"], port["protocol"]) for rule in policy["egress"] for port in rule["ports"]}
    report.check("NetworkPolicy: DNS is allowed", {(53, "UDP"), (53, "TCP")} <= open_ports)
    config, needed = settings(objects), set()
    for cluster in config["clusters"].values():
        needed |= {int(endpoint.rsplit(":", 1)[1]) for endpoint in cluster["endpoints"]}
    kinds = {"slack": 443, "pagerduty": 443, "webhook": 443, "smtp": 587, "alertmanager": 9093}
    needed |= {kinds[channel["type"]] for channel in config["alerts"]["channels"].values() if channel["type"] in kinds}
    missing = {port for port in needed if (port, "TCP") not in open_ports}
    report.check("NetworkPolicy: etcd and the channels can be reached", not missing, missing)
