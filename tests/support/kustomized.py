"""What the overlays of deploy/kubernetes come to, and which connections their network policies let through."""

from __future__ import annotations

import functools
import ipaddress
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

SOURCES = Path(__file__).parents[2] / "deploy" / "kubernetes"
OVERLAYS = ("local-cpu", "gpu")
SERVICES = ("captioner", "classifier", "gateway")
Document = dict[str, Any]
NAMESPACE = "kubernetes.io/metadata.name"


COMPONENTS = tuple(sorted(path.name for path in (SOURCES / "components").iterdir()))


@functools.cache
def _rendered(overlay: Path) -> list[Document]:
    command = ["kubectl", "kustomize", str(overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return list(yaml.load_all(done.stdout, yaml.CSafeLoader))


def components_of(overlay: str) -> tuple[str, ...]:
    """Those that the overlay has by itself."""
    written = yaml.safe_load((SOURCES / "overlays" / overlay / "kustomization.yaml").read_text())
    return tuple(Path(one).name for one in written.get("components", ()))


@dataclass(frozen=True)
class Cluster:
    """All documents of an overlay."""

    documents: list[Document]

    @classmethod
    def of(cls, overlay: str) -> Cluster:
        """Skips where there is no kubectl to render it."""
        require_kubectl()
        return cls(_rendered(SOURCES / "overlays" / overlay))

    @classmethod
    def with_components(cls, overlay: str, components: Sequence[str], directory: Path) -> Cluster:
        """As an overlay makes it that adds these components, in this order, to one of ours. directory: for a copy."""
        require_kubectl()
        copied = directory / f"{overlay}-{'-'.join(components)}"
        shutil.copytree(SOURCES, copied)
        written = {"resources": [f"../{overlay}"], "components": [f"../../components/{one}" for one in components]}
        own = copied / "overlays" / "own"
        own.mkdir()
        (own / "kustomization.yaml").write_text(json.dumps(written))
        return cls(_rendered(own))

    def all(self, kind: str) -> dict[str, Document]:
        return {one["metadata"]["name"]: one for one in self.documents if one["kind"] == kind}

    def pods(self) -> dict[str, Document]:
        """The templates of all pods by the names of what makes them."""
        return {
            one["metadata"]["name"]: one["spec"]["template"]
            for one in self.documents
            if one["kind"] in ("Deployment", "Job")
        }

    def container(self, service: str) -> Document:
        found: Document = self.pods()[service]["spec"]["containers"][0]
        return found

    def environment(self, service: str) -> dict[str, str]:
        """What the service's container is told, values of secrets left out."""
        told: dict[str, str] = {}
        for source in self.container(service).get("envFrom", []):
            told |= self.all("ConfigMap")[source["configMapRef"]["name"]]["data"]
        for one in self.container(service).get("env", []):
            told[one["name"]] = one.get("value", "")
        return told

    def lets(self, source: Mapping[str, str] | str, target: Mapping[str, str] | str, port: int, protocol: str) -> bool:
        """Whether the policies let `source` connect to `target`: labels of a pod here, or an address elsewhere.

        A pod of another namespace has the label `namespace`.
        """
        out = isinstance(source, str) or self._passes("Egress", source, target, port, protocol)
        into = (
            isinstance(target, str) or "namespace" in target or self._passes("Ingress", target, source, port, protocol)
        )
        return out and into

    def _passes(
        self, direction: str, pod: Mapping[str, str], peer: Mapping[str, str] | str, port: int, protocol: str
    ) -> bool:
        if "namespace" in pod:
            return True  # its own namespace's business
        policies = [
            one["spec"]
            for one in self.all("NetworkPolicy").values()
            if direction in one["spec"]["policyTypes"] and selects(one["spec"]["podSelector"], pod)
        ]
        rules = [rule for policy in policies for rule in policy.get(direction.lower(), [])]
        return not policies or any(
            any(_is_peer(one, peer) for one in rule["from" if direction == "Ingress" else "to"])
            and any(one == {"port": port, "protocol": protocol} for one in rule["ports"])
            for rule in rules
        )


def require_kubectl() -> None:
    """Skips where it is not installed."""
    if not shutil.which("kubectl"):
        pytest.skip("needs kubectl")


def validate(document: Document, version: str = "1.37") -> None:
    """Raises kubernetes_validate.ValidationError for what that Kubernetes would not take."""
    _validate(json.dumps(document, sort_keys=True), version)


@functools.cache
def _validate(document: str, version: str) -> None:
    """Once for each document: the library reads all its schemas anew each time."""
    kubernetes_validate.validate(json.loads(document), version, strict=True)


def selects(selector: Document, labels: Mapping[str, str]) -> bool:
    """Whether a selector of labels selects; this project's have matchLabels alone."""
    assert set(selector) <= {"matchLabels"}
    return dict(selector.get("matchLabels", {})).items() <= dict(labels).items()


def _is_peer(rule: Document, peer: Mapping[str, str] | str) -> bool:
    if isinstance(peer, str):
        block = rule.get("ipBlock", {"cidr": "192.0.2.0/32", "except": []})
        address = ipaddress.ip_address(peer)
        return address in ipaddress.ip_network(block["cidr"]) and not any(
            address in ipaddress.ip_network(one) for one in block.get("except", [])
        )
    if "ipBlock" in rule:
        return False
    elsewhere = "namespace" in peer
    if "namespaceSelector" in rule:
        own = {NAMESPACE: peer.get("namespace", "vidtags"), **{k: v for k, v in peer.items() if k == "vidtags/caller"}}
        return selects(rule["namespaceSelector"], own) and selects(rule.get("podSelector", {}), peer)
    return not elsewhere and selects(rule["podSelector"], peer)


def quantity(text: str) -> int:
    """Bytes of a Kubernetes quantity such as 9Gi."""
    units = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
    return int(text[:-2]) * units[text[-2:]]


def references(document: Any) -> Iterator[tuple[str, str, str, bool]]:
    """Kind and name of what a document refers to, the key in it (empty: all of it), and whether it may be missing."""
    if isinstance(document, list):
        for value in document:
            yield from references(value)
    if not isinstance(document, dict):
        return
    for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
        if one := document.get(field):
            yield kind, one["name"], one["key"], one.get("optional", False)
    for field, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap"), ("configMap", "ConfigMap")):
        if one := document.get(field):
            yield kind, one["name"], "", one.get("optional", False)
    if one := document.get("secret"):
        for item in one.get("items", [{"key": ""}]):
            yield "Secret", one["secretName"], item["key"], one.get("optional", False)
    if one := document.get("persistentVolumeClaim"):
        yield "PersistentVolumeClaim", one["claimName"], "", False
    for value in document.values():
        yield from references(value)


def secret_references(document: Any) -> Iterator[tuple[str, str, bool]]:
    """Name of a secret, key in it (empty: all of it) and whether it may be missing, wherever one is referred to."""
    yield from ((name, key, optional) for kind, name, key, optional in references(document) if kind == "Secret")
