"""The overlays of deploy/kubernetes are valid, and mean what the services mean."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import trustme
import yaml
from kustomized import (
    OVERLAYS,
    SERVICES,
    SOURCES,
    Cluster,
    quantity,
    require_kubectl,
    secret_references,
    selects,
    validate,
)

from gateway.video.limits import SandboxLimits
from vidtomusictags.rpc.server import LIVENESS, READINESS

ROOT = Path(__file__).parents[2]
CUSTOM = ("ScaledObject", "PodMonitor")
PACKAGES = {"captioner": "captioner_service", "classifier": "classifier_service", "gateway": "gateway"}
SPARE_SECONDS = 5


@pytest.fixture(params=OVERLAYS, name="cluster")
def _cluster(request: pytest.FixtureRequest) -> Cluster:
    return Cluster.of(request.param)


def settings_class(service: str) -> Any:
    return getattr(import_module(f"{PACKAGES[service]}.settings"), f"{service.capitalize()}Settings")


def settings_of(cluster: Cluster, service: str, monkeypatch: pytest.MonkeyPatch, tls: Path) -> Any:
    """The settings as the service itself reads them, with files of TLS that exist."""
    for name, value in cluster.environment(service).items():
        monkeypatch.setenv(name, value.replace("/tls/", f"{tls}/").replace("/callers/", f"{tls}/"))
    return settings_class(service)()


@pytest.fixture(scope="module", name="tls")
def _tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a secret of cert-manager looks, and the file of callers that the guide shows."""
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    pair = authority.issue_cert("gateway")
    authority.cert_pem.write_to_path(folder / "ca.crt")
    pair.private_key_pem.write_to_path(folder / "tls.key")
    for blob in pair.cert_chain_pems:
        blob.write_to_path(folder / "tls.crt", append=True)
    [callers] = re.findall(r"^```toml\n(.*?)^```", (ROOT / "docs/operations.md").read_text(), re.M | re.S)
    (folder / "callers.toml").write_text(callers)
    (folder / "gateway.token").write_text("made-up\n")
    return folder


def test_every_document_follows_the_schemas_of_kubernetes(cluster: Cluster) -> None:
    for document in cluster.documents:
        if document["kind"] not in CUSTOM:
            validate(document)


def test_custom_resources_have_the_fields_that_their_operators_ask_for(cluster: Cluster) -> None:
    schemas = json.loads(Path(__file__).with_name("custom_resources.json").read_text())
    for document in cluster.documents:
        if document["kind"] in CUSTOM:
            jsonschema.validate(document, schemas[document["kind"]])
        if document["kind"] == "ScaledObject":  # which KEDA makes one of Kubernetes' own autoscalers of
            behaviour = document["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
            target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "made"}
            spec = {"scaleTargetRef": target, "maxReplicas": 2, "behavior": behaviour}
            made = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "made"}}
            validate(made | {"spec": spec})


def test_a_cluster_on_one_machine_needs_no_operator_and_no_secret() -> None:
    cluster = Cluster.of("local-cpu")
    assert not [document for document in cluster.documents if document["kind"] in CUSTOM]
    assert [name for name, _, optional in secret_references(cluster.documents) if not optional] == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_exists_and_the_service_takes_the_value(
    cluster: Cluster, service: str, monkeypatch: pytest.MonkeyPatch, tls: Path
) -> None:
    prefix = f"{service.upper()}_"
    known = {f"{prefix}{name.upper()}" for name in settings_class(service).model_fields}
    told = cluster.environment(service)
    assert {name for name in told if name.startswith(prefix)} <= known
    assert {name for name in told if name.startswith(tuple(f"{one.upper()}_" for one in SERVICES))} <= known
    settings_of(cluster, service, monkeypatch, tls)


@pytest.mark.parametrize("service", SERVICES)
def test_ports_and_probes_are_those_that_the_service_listens_on(
    cluster: Cluster, service: str, monkeypatch: pytest.MonkeyPatch, tls: Path
) -> None:
    settings = settings_of(cluster, service, monkeypatch, tls)
    container = cluster.container(service)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    listens = {"grpc": settings.listen, "health": settings.health_listen, "metrics": settings.metrics_listen}
    assert {name: f"0.0.0.0:{port}" for name, port in ports.items()} == listens
    for probe, name in (("startup", READINESS), ("readiness", READINESS), ("liveness", LIVENESS)):
        assert container[f"{probe}Probe"]["grpc"] == {"port": ports["health"], "service": name}
    [port] = cluster.all("Service")[service]["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (ports["grpc"], "grpc")


def test_the_gateway_calls_the_other_two_where_they_are(cluster: Cluster) -> None:
    told = cluster.environment("gateway")
    for service in ("captioner", "classifier"):
        spec = cluster.all("Service")[service]["spec"]
        assert spec["clusterIP"] == "None", "a virtual address would pin a gateway to one replica"
        assert told[f"GATEWAY_{service.upper()}"] == f"dns:///{service}:{spec['ports'][0]['port']}"


@pytest.mark.parametrize("service", SERVICES)
def test_a_replica_may_take_as_long_as_its_drain_does(
    cluster: Cluster, service: str, monkeypatch: pytest.MonkeyPatch, tls: Path
) -> None:
    settings = settings_of(cluster, service, monkeypatch, tls)
    before = cluster.container(service)["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = before + settings.drain_announce_seconds + settings.drain_grace_seconds
    assert drain + SPARE_SECONDS <= cluster.pods()[service]["spec"]["terminationGracePeriodSeconds"]


def test_a_new_replica_can_be_found_before_an_old_one_goes(cluster: Cluster) -> None:
    """Chaos showed it: a rollout faster than the callers' look-ups leaves them for a moment without any replica."""
    deployments = cluster.all("Deployment")
    assert all(deployments[service]["spec"]["minReadySeconds"] >= 5 for service in SERVICES)


def test_a_model_may_take_as_long_to_load_as_the_captioner_lets_it(monkeypatch: pytest.MonkeyPatch, tls: Path) -> None:
    cluster = Cluster.of("gpu")
    probe = cluster.container("captioner")["startupProbe"]
    settings = settings_of(cluster, "captioner", monkeypatch, tls)
    assert probe["periodSeconds"] * probe["failureThreshold"] > settings.max_load_seconds


def test_a_rollout_that_waits_for_a_drain_and_a_model_is_not_taken_for_one_that_failed(cluster: Cluster) -> None:
    for name, deployment in cluster.all("Deployment").items():
        spec, pod = deployment["spec"], deployment["spec"]["template"]["spec"]
        probe = pod["containers"][0]["startupProbe"]
        needed = probe["periodSeconds"] * probe["failureThreshold"] + spec["minReadySeconds"]
        if spec["strategy"]["rollingUpdate"]["maxSurge"] == 0:
            needed += pod["terminationGracePeriodSeconds"]
        assert spec.get("progressDeadlineSeconds", 600) > needed, (
            name
        )  # 600: what Kubernetes takes where nothing is said


def test_the_oldest_kubernetes_that_the_guide_names_knows_every_field(cluster: Cluster) -> None:
    [oldest] = re.findall(r"Kubernetes (1\.\d+) or later", (ROOT / "docs/operations.md").read_text())
    for document in cluster.documents:
        if document["kind"] not in CUSTOM:
            validate(document, oldest)


def test_the_spool_holds_what_the_gateway_puts_there(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tls: Path
) -> None:
    settings = settings_of(cluster, "gateway", monkeypatch, tls)
    spec, container = cluster.pods()["gateway"]["spec"], cluster.container("gateway")
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    room = quantity(volumes[mounted[str(settings.spool_directory)]]["emptyDir"]["sizeLimit"])
    assert room > settings.max_spool_bytes >= settings.max_upload_bytes
    assert quantity(container["resources"]["limits"]["ephemeral-storage"]) >= room
    assert 0 < settings.decode_cores <= 4, "a node has more cores than the pod, and each decoder thread takes memory"


def test_the_worst_videos_and_a_full_house_of_uploads_find_room(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tls: Path
) -> None:
    """A kernel that runs out of a pod's memory ends the whole pod, not the one decoder that took it."""
    settings = settings_of(cluster, "gateway", monkeypatch, tls)
    decoder = SandboxLimits().address_space_bytes + SandboxLimits().max_output_bytes
    [hundred_uploads] = re.findall(r"A hundred took it to (\d+) MiB", (ROOT / "docs/capacity.md").read_text())
    [tmp] = [one["emptyDir"] for one in cluster.pods()["gateway"]["spec"]["volumes"] if one["name"] == "tmp"]
    most = settings.decode_workers * decoder + int(hundred_uploads) * 1024**2 + quantity(tmp["sizeLimit"])
    assert most <= quantity(cluster.container("gateway")["resources"]["limits"]["memory"])


def test_every_pod_is_confined(cluster: Cluster) -> None:
    for name, pod in cluster.pods().items():
        spec = pod["spec"]
        context = spec["securityContext"]
        assert context["runAsNonRoot"] and context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["automountServiceAccountToken"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert {"requests", "limits"} <= container["resources"].keys(), name
            assert "memory" in container["resources"]["limits"], name
    for account in cluster.all("ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False


def test_every_selector_selects_the_pods_of_its_own_service(cluster: Cluster) -> None:
    pods = {name: pod["metadata"]["labels"] for name, pod in cluster.pods().items()}
    for kind in ("Service", "PodDisruptionBudget", "Deployment"):
        for name, document in cluster.all(kind).items():
            selector = document["spec"]["selector"]
            found = [pod for pod in pods if selects({"matchLabels": selector.get("matchLabels", selector)}, pods[pod])]
            assert found == [name], kind
    for name in SERVICES:
        for constraint in cluster.pods()[name]["spec"]["topologySpreadConstraints"]:
            assert selects(constraint["labelSelector"], pods[name])
    for name, policy in cluster.all("NetworkPolicy").items():
        assert any(selects(policy["spec"]["podSelector"], labels) for labels in pods.values()), name


def test_scaling_watches_what_is_deployed_and_what_is_measured() -> None:
    cluster = Cluster.of("gpu")
    measured = set(re.findall(r"`(vidtags_\w+)`", (ROOT / "docs/metrics.md").read_text()))
    scaled = cluster.all("ScaledObject")
    assert set(scaled) == set(SERVICES)
    for name, document in scaled.items():
        deployment = cluster.all("Deployment")[document["spec"]["scaleTargetRef"]["name"]]
        assert deployment["metadata"]["name"] == name
        assert "replicas" not in deployment["spec"], "two would fight over the number"
        for trigger in document["spec"]["triggers"]:
            query = trigger["metadata"]["query"]
            named = set(re.findall(r"vidtags_\w+", query))
            assert named and named <= measured
            assert set(re.findall(r'job="(\w+)"', query)) == {name}
            assert set(re.findall(r'namespace="(\w+)"', query)) == {deployment["metadata"]["namespace"]}
        first = document["spec"]["triggers"][0]["metadata"]
        assert first["ignoreNullValues"] == "false", "a scrape that is broken would look like nothing to do"
        assert document["spec"]["fallback"]["behavior"] == "currentReplicasIfHigher", (
            "busy replicas would be taken away"
        )
    assert "vidtags_queue_length" in scaled["captioner"]["spec"]["triggers"][0]["metadata"]["query"]
    [monitor] = cluster.all("PodMonitor").values()
    for name in SERVICES:
        labels = cluster.pods()[name]["metadata"]["labels"]
        assert selects(monitor["spec"]["selector"], labels)
        assert labels[monitor["spec"]["jobLabel"]] == name
    assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} == {"metrics"}


def test_only_those_connections_are_let_through_that_the_services_need(cluster: Cluster) -> None:
    captioner, classifier, gateway = (cluster.pods()[name]["metadata"]["labels"] for name in SERVICES)
    caller = {"namespace": "films", "vidtags/caller": "true"}
    stranger, prometheus = {"namespace": "films"}, {"namespace": "monitoring"}
    internet, metadata_server, inside = "203.0.113.7", "169.254.169.254", "10.0.0.1"
    grpc = {"captioner": 50051, "classifier": 50052, "gateway": 50050}

    def tcp(source: Any, target: Any, port: int) -> bool:
        return cluster.lets(source, target, port, "TCP")

    assert tcp(gateway, captioner, grpc["captioner"]) and tcp(gateway, classifier, grpc["classifier"])
    assert not tcp(classifier, captioner, grpc["captioner"]) and not tcp(captioner, classifier, grpc["classifier"])
    assert tcp(caller, gateway, grpc["gateway"]) and not tcp(stranger, gateway, grpc["gateway"])
    for service, labels in (("captioner", captioner), ("classifier", classifier), ("gateway", gateway)):
        if service != "gateway":
            assert not tcp(caller, labels, grpc[service])
        assert tcp(prometheus, labels, 9464) and not tcp(caller, labels, 9464)
        assert not tcp(caller, labels, 50055)
        assert cluster.lets(labels, {"namespace": "kube-system", "k8s-app": "kube-dns"}, 53, "UDP")
        assert not tcp(labels, metadata_server, 80) and not tcp(labels, metadata_server, 443)
        assert not tcp(labels, inside, 443)
    assert tcp(classifier, internet, 443) and not tcp(captioner, internet, 443) and not tcp(gateway, internet, 443)


def test_only_the_job_that_fetches_the_model_reaches_the_hub() -> None:
    cluster = Cluster.of("gpu")
    assert cluster.environment("captioner")["CAPTIONER_OFFLINE"] == "true"
    assert cluster.lets(cluster.pods()["fetch-model"]["metadata"]["labels"], "203.0.113.7", 443, "TCP")
    of_captioner = {(name, key) for name, key, _ in secret_references(cluster.pods()["captioner"])}
    assert of_captioner == {("captioner-tls", ""), ("vidtags-callers", "upstream-callers.toml")}


def test_the_model_is_awaited_by_the_name_that_the_job_gives_it(tmp_path: Path) -> None:
    """The job's own program, with a download that does nothing, and the shell of those who wait for it."""
    cluster = Cluster.of("gpu")
    told = cluster.environment("captioner") | {"HF_HOME": str(tmp_path)}
    environment = {name: told[name] for name in ("CAPTIONER_MODEL", "CAPTIONER_REVISION", "HF_HOME")}
    [_, _, program] = cluster.pods()["fetch-model"]["spec"]["containers"][0]["command"]
    calls = [node for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Call)]
    [wanted] = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "snapshot_download"]
    assert {keyword.arg for keyword in wanted.keywords} == {"revision", "allow_patterns"}
    without = re.sub(r"^from (huggingface_hub|captioner_service).*$", "", program, flags=re.M)
    stand_in = "snapshot_download = lambda *_, **__: 'fetched'; WANTED_FILES = []\n"
    subprocess.run([sys.executable, "-c", stand_in + without], env=environment, check=True)
    [init] = cluster.pods()["captioner"]["spec"]["initContainers"]
    assert init["command"][:2] == ["sh", "-c"]
    subprocess.run(init["command"], env=environment | {"PATH": "/usr/bin:/bin"}, check=True, timeout=30)


def test_secrets_are_those_that_the_operations_guide_names(cluster: Cluster) -> None:
    guide = (ROOT / "docs/operations.md").read_text()
    for name, key, _ in secret_references(cluster.documents):
        assert f"`{name}`" in guide, name
        assert not key or f"`{key}`" in guide, (name, key)


def test_processes_are_told_what_the_images_tell_them() -> None:
    image = (ROOT / "deploy/Dockerfile").read_text()
    for line in (ROOT / "deploy/kubernetes/base/settings/process.env").read_text().splitlines():
        name, _, value = line.partition("=")
        if name and not name.startswith("#") and name != "HOME":
            assert re.search(rf"^\s+{name}={re.escape(value)}( \\)?$", image, re.M), name


def test_images_are_those_that_the_dockerfile_builds(cluster: Cluster) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name, pod in cluster.pods().items():
        for container in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]:
            assert container["image"].endswith(f":{version}"), name
            built = container["image"].removeprefix("vidtomusictags-").partition(":")[0]
            assert (ROOT / f"deploy/requirements/{built}.txt").exists(), name


def test_the_edge_listens_and_calls_where_the_manifests_have_it(tmp_path: Path) -> None:
    cluster = Cluster.with_components("local-cpu", ["edge"], tmp_path)
    edge = cluster.pods()["edge"]["metadata"]["labels"]
    envoy = yaml.safe_load((ROOT / "deploy/envoy/envoy.yaml").read_text())["static_resources"]
    listened = {one["address"]["socket_address"]["port_value"] for one in envoy["listeners"]}
    assert listened == {port["containerPort"] for port in cluster.container("edge")["ports"]}
    found_by_name = [one for one in envoy["clusters"] if one["type"] == "STRICT_DNS"]
    assert {one["name"] for one in found_by_name} == set(SERVICES)
    for upstream in found_by_name:
        [place] = upstream["load_assignment"]["endpoints"][0]["lb_endpoints"]
        address = place["endpoint"]["address"]["socket_address"]
        assert address["address"] == upstream["name"] in cluster.all("Service")
        labels = cluster.pods()[upstream["name"]]["metadata"]["labels"]
        assert cluster.lets(edge, labels, address["port_value"], "TCP")


def test_calls_through_a_going_edge_have_what_those_of_a_going_gateway_have(
    monkeypatch: pytest.MonkeyPatch, tls: Path, tmp_path: Path
) -> None:
    """Connections end within their longest age and Envoy's drain_timeout (5 s); then calls on them have the rest."""
    cluster = Cluster.with_components("local-cpu", ["edge"], tmp_path)
    settings = settings_of(Cluster.of("gpu"), "gateway", monkeypatch, tls)
    [age] = re.findall(r"max_connection_duration: (\d+)s", (ROOT / "deploy/envoy/envoy.yaml").read_text())
    sleeps = cluster.container("edge")["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert sleeps >= int(age) + 5 + settings.drain_grace_seconds
    assert cluster.pods()["edge"]["spec"]["terminationGracePeriodSeconds"] >= sleeps + SPARE_SECONDS
    assert not cluster.container("edge")["image"].endswith(":latest")


def test_the_overlay_that_the_guide_shows_can_be_rendered(tmp_path: Path) -> None:
    require_kubectl()
    guide = (ROOT / "docs/operations.md").read_text()
    [shown] = re.findall(r"^```yaml\n(# overlays/house/.*?)^```", guide, re.M | re.S)
    shutil.copytree(SOURCES, tmp_path / "kubernetes")
    own = tmp_path / "kubernetes/overlays/house"
    own.mkdir()
    (own / "kustomization.yaml").write_text(shown)
    rendered = subprocess.run(["kubectl", "kustomize", own], capture_output=True, text=True, check=True).stdout
    cluster = Cluster(list(yaml.safe_load_all(rendered)))
    gateway = cluster.pods()["gateway"]["metadata"]["labels"]
    assert cluster.environment("gateway")["GATEWAY_REMOTE_HOSTS"] == '["cdn.example.com"]'
    assert cluster.lets(gateway, {"namespace": "telemetry"}, 4317, "TCP")
    assert not cluster.lets(gateway, {"namespace": "observability"}, 4317, "TCP")
    images = {cluster.container(name)["image"] for name in cluster.all("Deployment")}
    assert all(image.startswith("registry.example.com/vidtomusictags-") for image in images)


def test_the_rules_go_in_as_the_guide_says() -> None:
    guide = (ROOT / "docs/operations.md").read_text()
    [command] = re.findall(r"^(\{ printf .*?\}) \| kubectl -n vidtags apply -f -$", guide, re.M | re.S)
    printed = subprocess.run(["bash", "-euc", command], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    rule = yaml.safe_load(printed)
    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())
