"""Whichever components an overlay adds, and in whatever order, what comes out fits together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from kustomized import COMPONENTS, OVERLAYS, SERVICES, Cluster, components_of, references, selects, validate

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/operations.md").read_text()
CUSTOM = ("PodMonitor", "ScaledObject")
Labels = dict[str, str]
INTERNET, INSIDE, METADATA = "203.0.113.7", "10.0.0.1", "169.254.169.254"
CALLER, STRANGER = {"namespace": "films", "vidtags/caller": "true"}, {"namespace": "films"}
PROMETHEUS, COLLECTOR = {"namespace": "monitoring"}, {"namespace": "observability"}
NAMES = {"namespace": "kube-system", "k8s-app": "kube-dns"}
GRPC = {"captioner": 50051, "classifier": 50052, "gateway": 50050}
EDGE = (8080, 8443)


def additions(overlay: str) -> Iterator[tuple[str, ...]]:
    """None, one, any two, and all of the components that the overlay does not have, these from both ends."""
    free = [one for one in COMPONENTS if one not in components_of(overlay)]
    yield from (chosen for count in range(3) for chosen in combinations(free, count))
    yield from (tuple(free), tuple(reversed(free)))


CASES = [(overlay, chosen) for overlay in OVERLAYS for chosen in additions(overlay)]


@pytest.fixture(scope="module", name="clusters")
def _clusters(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, tuple[str, ...]], Cluster]:
    directory = tmp_path_factory.mktemp("combined")
    with ThreadPoolExecutor(2) as pool:
        rendered = pool.map(lambda case: Cluster.with_components(*case, directory), CASES)
        return dict(zip(CASES, rendered, strict=True))


@pytest.mark.parametrize(("overlay", "chosen"), CASES)
def test_it_fits_together(
    overlay: str, chosen: tuple[str, ...], clusters: dict[tuple[str, tuple[str, ...]], Cluster]
) -> None:
    cluster, components = clusters[overlay, chosen], {*chosen, *components_of(overlay)}
    _is_valid(cluster)
    for name, pod in cluster.pods().items():
        _refers_to_what_is_there(cluster, name, pod)
    _selects_what_is_there(cluster)
    assert _connections(cluster) == _wanted(cluster, components)
    _speaks_and_listens_alike(cluster, components)


def test_tls_and_the_edge_combine_in_either_order(
    clusters: dict[tuple[str, tuple[str, ...]], Cluster], tmp_path: Path
) -> None:
    other_way = Cluster.with_components("local-cpu", ("tls", "edge"), tmp_path)
    assert sorted(map(repr, other_way.documents)) == sorted(map(repr, clusters["local-cpu", ("edge", "tls")].documents))


def _is_valid(cluster: Cluster) -> None:
    places = [(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in cluster.documents]
    assert len(places) == len(set(places))
    for document in cluster.documents:
        assert document["kind"] == "Namespace" or document["metadata"]["namespace"] == "vidtags"
        if document["kind"] not in CUSTOM:
            validate(document)


def _refers_to_what_is_there(cluster: Cluster, name: str, pod: dict[str, Any]) -> None:
    """Volumes, settings and variables of a pod; secrets, and what may be left out, are in the guide."""
    spec = pod["spec"]
    volumes = [volume["name"] for volume in spec.get("volumes", [])]
    assert len(volumes) == len(set(volumes)), name
    mounted = set()
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        mounts = container.get("volumeMounts", [])
        paths = [mount["mountPath"] for mount in mounts]
        assert len(paths) == len(set(paths)), name
        mounted |= {mount["name"] for mount in mounts}
        variables = [one["name"] for one in container.get("env", [])]
        assert len(variables) == len(set(variables)), name
        for words in (container.get("args", []), container.get("command", [])):
            assert set(re.findall(r"\$\((\w+)\)", " ".join(words))) <= set(variables), name
        ports = [port["name"] for port in container.get("ports", [])]
        assert len(ports) == len(set(ports)), name
    assert mounted == set(volumes), name
    for kind, referred, key, optional in references(pod):
        there = cluster.all(kind).get(referred)
        if there is None:
            assert kind == "Secret" or optional, (kind, referred)
            assert f"`{referred}`" in GUIDE, referred
            assert not key or f"`{key}`" in GUIDE, (referred, key)
        else:
            assert not key or key in there["data"], (referred, key)
    account = spec.get("serviceAccountName", "default")
    assert account == "default" or account in cluster.all("ServiceAccount")


def _selects_what_is_there(cluster: Cluster) -> None:
    pods = {name: pod["metadata"]["labels"] for name, pod in cluster.pods().items()}
    for kind in ("Service", "PodDisruptionBudget", "Deployment"):
        for name, document in cluster.all(kind).items():
            selector = document["spec"]["selector"]
            matching = {"matchLabels": selector.get("matchLabels", selector)}
            assert [pod for pod in pods if selects(matching, pods[pod])] == [name], (kind, name)
    for name, service in cluster.all("Service").items():
        ports = {port["name"] for port in cluster.container(name)["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports, name
    for name, deployment in cluster.all("Deployment").items():
        rolling = deployment["spec"]["strategy"]["rollingUpdate"]
        assert sorted(rolling.values()) == [0, 1], (name, "a rollout has to be able to go on")
        [budget] = [one for one in cluster.all("PodDisruptionBudget").values() if one["metadata"]["name"] == name]
        assert budget["spec"]["maxUnavailable"] == 1, "a node that is emptied would wait for ever"
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        for constraint in cluster.pods()[name]["spec"]["topologySpreadConstraints"]:
            assert selects(constraint["labelSelector"], pods[name]), name
    for name, scaled in cluster.all("ScaledObject").items():
        assert "replicas" not in cluster.all("Deployment")[scaled["spec"]["scaleTargetRef"]["name"]]["spec"], name
    for monitor in cluster.all("PodMonitor").values():
        watched = [name for name in pods if selects(monitor["spec"]["selector"], pods[name])]
        assert set(watched) == set(cluster.all("Deployment"))
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            for name in watched:
                assert endpoint["port"] in {port["name"] for port in cluster.container(name)["ports"]}, name


def _pods(cluster: Cluster) -> dict[str, Labels]:
    return {name: pod["metadata"]["labels"] for name, pod in cluster.pods().items()}


def _connections(cluster: Cluster) -> set[tuple[str, str, int]]:
    """Who may connect to whom, of all that could be asked for."""
    pods = _pods(cluster)
    elsewhere: dict[str, Any] = {
        "caller": CALLER,
        "stranger": STRANGER,
        "prometheus": PROMETHEUS,
        "collector": COLLECTOR,
    }
    addresses = {"internet": INTERNET, "inside": INSIDE, "metadata": METADATA}
    places = pods | elsewhere | addresses | {"names": NAMES}
    ports = {50050, 50051, 50052, 50055, 9464, 9901, 4317, 443, 80, 53, *EDGE}
    return {
        (source, target, port)
        for source in [*pods, *elsewhere]
        for target in places
        for port in ports
        if source != target and {source, target} & pods.keys()
        if cluster.lets(places[source], places[target], port, "TCP")
    }


def _wanted(cluster: Cluster, components: set[str]) -> set[tuple[str, str, int]]:
    """The same as it should be."""
    pods, deployments = _pods(cluster), cluster.all("Deployment")
    edge = {"edge"} & deployments.keys()
    wanted = {("gateway", "captioner", GRPC["captioner"]), ("gateway", "classifier", GRPC["classifier"])}
    wanted |= {(pod, "names", 53) for pod in pods}
    wanted |= {("prometheus", name, 9464) for name in deployments}
    wanted |= {("caller", "gateway", GRPC["gateway"]), ("classifier", "internet", 443)}
    wanted |= {(one, service, GRPC[service]) for one in edge for service in SERVICES}
    wanted |= {("caller", one, port) for one in edge for port in EDGE}
    if "fetch-model" in pods:
        wanted.add(("fetch-model", "internet", 443))
    if "remote-videos" in components:
        wanted.add(("gateway", "internet", 443))
    if "tracing" in components:
        wanted |= {(name, "collector", 4317) for name in deployments}
    return wanted


def _speaks_and_listens_alike(cluster: Cluster, components: set[str]) -> None:
    """TLS, credentials and traces: at both ends of each connection or at neither."""
    told = {service: cluster.environment(service) for service in SERVICES}
    tls, callers = "tls" in components, "callers" in components
    for service in SERVICES:
        own = {name.removeprefix(f"{service.upper()}_"): value for name, value in told[service].items()}
        assert (own["INSECURE"], "TLS_CERTIFICATE" in own) == (("false", True) if tls else ("true", False)), service
        assert ("TOKENS_FILE" in own) == callers, service
        assert ("TRACES_ENDPOINT" in own) == ("tracing" in components), service
        [port] = cluster.all("Service")[service]["spec"]["ports"]
        assert port["appProtocol"] == ("https" if tls else "kubernetes.io/h2c"), service
    assert ("GATEWAY_UPSTREAM_CA" in told["gateway"]) == tls
    assert ("GATEWAY_UPSTREAM_TOKEN_FILE" in told["gateway"]) == callers
    if "edge" in components:
        [source] = [one["valueFrom"] for one in cluster.container("edge")["env"] if one["name"] == "GATEWAY_INSECURE"]
        settings = cluster.all("ConfigMap")[source["configMapKeyRef"]["name"]]["data"]
        assert settings["GATEWAY_INSECURE"] == told["gateway"]["GATEWAY_INSECURE"]
        path = cluster.container("edge")["args"][1].replace("$(GATEWAY_INSECURE)", settings["GATEWAY_INSECURE"])
        assert path == f"/etc/envoy/envoy-insecure-{'false' if tls else 'true'}.yaml"
        assert path.rpartition("/")[2] in (ROOT / "deploy/Dockerfile").read_text()
