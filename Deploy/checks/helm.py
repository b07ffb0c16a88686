# SPDX-License-Identifier: Apache-2.0
"""The chart as Helm renders it, installed into a simulated Kubernetes API server."""
import asyncio
import contextlib
import http.server
import json
import os
import sys
import tempfile
import threading

import yaml

from . import dockerfile, kubernetes
from .report import DEPLOY, text

CHART = os.path.join(DEPLOY, "helm", "etcd-monitor")
KINDS = {
    "v1": {"ConfigMap": "configmaps", "PersistentVolumeClaim": "persistentvolumeclaims", "Secret": "secrets",
           "Service": "services", "ServiceAccount": "serviceaccounts"},
    "apps/v1": {"Deployment": "deployments"},
    "networking.k8s.io/v1": {"NetworkPolicy": "networkpolicies"},
    "monitoring.coreos.com/v1": {"PrometheusRule": "prometheusrules", "ServiceMonitor": "servicemonitors"},
}
CLUSTER = {"clusters": {"main": {"endpoints": ["etcd:2379"]}}}
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "etcd-monitor", "resourceVersion": "4711"}}


class PretendedKubernetes(http.server.ThreadingHTTPServer):
    """Supports the kinds of objects of the chart and one Secret, and records the objects it receives."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def kubeconfig(self):
        return yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "here", "users": [],
            "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{self.server_port}"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": ""}}]})


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0]
        groups = [version.split("/") for version in KINDS if "/" in version]
        answers = {
            "/version": {"major": "1", "minor": "30", "gitVersion": "v1.30.0"},
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
                {"name": group, "versions": [{"groupVersion": f"{group}/{version}", "version": version}]}
                for group, version in groups]},
            "/api/v1/namespaces/there/secrets/etcd-monitor": SECRET,
        }
        for version, kinds in KINDS.items():
            answers[f"/apis/{version}" if "/" in version else f"/api/{version}"] = {
                "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": [
                    {"name": name, "singularName": kind.lower(), "namespaced": True, "kind": kind,
                     "verbs": ["create", "get", "list"]} for kind, name in kinds.items()]}
        missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        body = json.dumps(answers.get(path, missing)).encode()
        self.answer(200 if path in answers else 404, "application/json", body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        # Helm's record of the release has another format.
        if self.headers["Content-Type"] == "application/json":
            self.server.objects.append(json.loads(body))
        self.answer(201, self.headers["Content-Type"], body)

    do_PUT = do_PATCH = do_POST

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def quiet():
    """Suppresses Helm's messages about links; its errors are exceptions."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def plain_values():
    """The values with which the chart equals the plain manifests."""
    return {"config": json.loads(text("kubernetes", "base", "etcd-monitor.json")),
            "etcdTLSSecretName": "etcd-monitor-tls"}


def rendered(values, release="etcd-monitor"):
    """The objects that Helm installs with these values, without the fields that Helm adds."""
    import helm_sdkpy
    server = PretendedKubernetes()
    try:
        with quiet():
            configuration = helm_sdkpy.Configuration(namespace="there", kubeconfig=server.kubeconfig)
            asyncio.run(helm_sdkpy.Install(configuration).run(release, CHART, values=values, wait=False))
    finally:
        server.shutdown()
        server.server_close()
    for item in server.objects:
        metadata = item["metadata"]
        del metadata["namespace"], metadata["annotations"]
        for label in ("helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/version"):
            del metadata["labels"][label]
    return server.objects


def comparable(objects):
    """The objects by kind and name, without intended differences: how a change of the settings replaces the pod."""
    found = {}
    for item in json.loads(json.dumps(objects)):
        if item["kind"] == "ConfigMap":
            item["metadata"]["name"] = "etcd-monitor"
            item["data"] = {name: json.loads(body) for name, body in item["data"].items()}
        if item["kind"] == "Deployment":
            item["spec"]["template"]["metadata"].pop("annotations", None)
            for volume in item["spec"]["template"]["spec"]["volumes"]:
                if "configMap" in volume:
                    volume["configMap"]["name"] = "etcd-monitor"
        found[item["kind"], item["metadata"]["name"]] = item
    return found


def check(report):
    chart = yaml.safe_load(text("helm", "etcd-monitor", "Chart.yaml"))
    report.same("its version is that of the program", {chart["version"], chart["appVersion"]}, {dockerfile.version()})
    report.same("it supports the same versions of Kubernetes", chart["kubeVersion"], f">={kubernetes.OLDEST}.0-0")
    for file in kubernetes.RULES.values():
        link = os.path.join(CHART, "files", file)
        report.same(f"{file}: is a link to Docs/monitoring", os.path.realpath(link),
                    os.path.join(os.path.realpath(os.path.join(DEPLOY, "..")), "Docs", "monitoring", file))
    try:
        import helm_sdkpy
    except ImportError:
        return report.skip("the rendered chart", "helm-sdkpy")
    with tempfile.TemporaryDirectory() as home:
        os.environ["HELM_CACHE_HOME"] = os.environ["HELM_CONFIG_HOME"] = os.environ["HELM_DATA_HOME"] = home
        with quiet():
            configuration = helm_sdkpy.Configuration(kubeconfig=PretendedKubernetes().kubeconfig)
            result = asyncio.run(helm_sdkpy.Lint(configuration).run(CHART))
        # 1 is only advice; a private chart needs no icon.
        worst = [message for message in result["Messages"] or [] if message["Severity"] > 1]
        report.check("Helm's linter reports no error", not worst and not result["Errors"], result)
        check_rendered(report)


def check_rendered(report):
    operator = {"serviceMonitor": {"enabled": True}, "prometheusRules": {"enabled": True}}
    objects = rendered(plain_values() | operator)
    kubernetes.check_objects(report.part("helm"), objects)
    if (plain := kubernetes.built()) is not None:
        mine, theirs = comparable(objects), comparable(plain)
        report.same("the objects of the chart are those of the manifests", sorted(mine), sorted(theirs))
        for key in sorted(set(mine) & set(theirs)):
            report.same(f"{key[0]} {key[1]}: equals the manifest", mine[key], theirs[key])
    else:
        report.skip("the comparison with the plain manifests", "kubectl or kustomize")
    annotations = kubernetes.pod(objects)["metadata"]["annotations"]
    report.check("a changed Secret replaces the pod", annotations.get("etcd-monitor/secret-version") == "4711")
    changed = rendered({"config": CLUSTER | {"apiPort": 9000}})
    report.check("changed settings replace the pod", annotations["checksum/config"]
                 != kubernetes.pod(changed)["metadata"]["annotations"]["checksum/config"])
    report.check("the objects for Prometheus are optional",
                 not [item for item in changed if "coreos" in item["apiVersion"]])
    kubernetes.check_ports(report.part("helm with another port"), changed)
    everything = plain_values() | {
        "apiTLSSecretName": "api", "persistence": {"existingClaim": "mine"}, "imagePullSecrets": [{"name": "pull"}],
        "env": [{"name": "A", "value": "b"}], "podAnnotations": {"a": "b"}, "nodeSelector": {"a": "b"},
        "tolerations": [{"key": "a", "operator": "Exists"}], "affinity": {"nodeAffinity": {}},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    }
    objects = rendered(everything, release="other")
    kubernetes.check_objects(report.part("helm with all values"), objects)
    report.same("the name of the release is in all names", {item["metadata"]["name"] for item in objects},
                {"other-etcd-monitor"})
    report.check("an existing claim is used", not kubernetes.of_kind(objects, "PersistentVolumeClaim"))
    small = rendered({"config": CLUSTER, "persistence": {"enabled": False}, "networkPolicy": {"enabled": False}})
    report.check("without persistence, the state is in the pod",
                 {"name": "state", "emptyDir": {}} in kubernetes.pod(small)["spec"]["volumes"])
    report.check("without a NetworkPolicy, there is none", not kubernetes.of_kind(small, "NetworkPolicy"))
    refused = {
        "replicas": {"config": CLUSTER, "replicas": 2},
        "apiPort": {"config": CLUSTER | {"apiPort": 70000}},
        "apiToken": {"config": CLUSTER | {"apiToken": "t0ken"}},
        "secretName": {"config": CLUSTER, "secretName": ""},
        "names no cluster": {"config": {}},
    }
    for reason, values in refused.items():
        try:
            rendered(values)
            report.check(f"{values} are refused", False)
        except Exception as error:  # The library raises several types.
            report.check(f"{values} are refused", reason in str(error), error)
