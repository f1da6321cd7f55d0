"""What the overlays of deploy/kubernetes come to, and which connections their network policies let through."""

from __future__ import annotations

import functools
import ipaddress
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
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


@functools.cache
def _rendered(overlay: str) -> list[Document]:
    command = ["kubectl", "kustomize", str(SOURCES / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return list(yaml.load_all(done.stdout, yaml.CSafeLoader))


@dataclass(frozen=True)
class Cluster:
    """All documents of an overlay."""

    documents: list[Document]

    @classmethod
    def of(cls, overlay: str) -> Cluster:
        """Skips where there is no kubectl to render it."""
        if not shutil.which("kubectl"):
            pytest.skip("needs kubectl")
        return cls(_rendered(overlay))

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
        for source in self.container(service)["envFrom"]:
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


def validate(document: Document) -> None:
    """Raises kubernetes_validate.ValidationError for what Kubernetes 1.37 would not take."""
    _validate(json.dumps(document, sort_keys=True))


@functools.cache
def _validate(document: str) -> None:
    """Once for each document: the library reads all its schemas anew each time."""
    kubernetes_validate.validate(json.loads(document), "1.37", strict=True)


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


def secret_references(document: Any) -> Iterator[tuple[str, str]]:
    """Name of a secret and key in it (empty: all of it), wherever a document refers to one."""
    if isinstance(document, dict):
        if "secretKeyRef" in document:
            yield document["secretKeyRef"]["name"], document["secretKeyRef"]["key"]
        if "secretName" in document:
            yield document["secretName"], ""
        for value in document.values():
            yield from secret_references(value)
    elif isinstance(document, list):
        for value in document:
            yield from secret_references(value)
