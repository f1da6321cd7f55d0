"""Writes the edge's configuration for services that want TLS: envoy.yaml, with TLS to each of its clusters.

python deploy/envoy/upstream_tls.py deploy/envoy/envoy-tls.yaml

A service must have a certificate for the name of its cluster, from the authority that upstream-authority.yaml says; the
edge shows it the certificate of upstream-certificate.yaml. Envoy reads both anew when they change.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

SOURCE = Path(__file__).with_name("envoy.yaml")
_TLS = "envoy.transport_sockets.tls"
_CONTEXT = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
_FIRST_FETCH = "2s"  # a file is there at once or not at all; the cluster would otherwise wait 15 s for it


def secured(configuration: dict[str, Any]) -> dict[str, Any]:
    """The configuration of an Envoy, with TLS to each cluster that is found by a name: all but its own `admin`."""
    resources = configuration["static_resources"]
    clusters = [
        cluster | {"transport_socket": _socket(cluster["name"])} if cluster["type"] == "STRICT_DNS" else cluster
        for cluster in resources["clusters"]
    ]
    return configuration | {"static_resources": resources | {"clusters": clusters}}


def _socket(service: str) -> dict[str, Any]:
    common = {
        "alpn_protocols": ["h2"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [_from_file("upstream-certificate")],
        "combined_validation_context": {
            "default_validation_context": {
                "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": service}}]
            },
            "validation_context_sds_secret_config": _from_file("upstream-authority"),
        },
    }
    return {"name": _TLS, "typed_config": {"@type": _CONTEXT, "sni": service, "common_tls_context": common}}


def _from_file(name: str) -> dict[str, Any]:
    source = {"path_config_source": {"path": f"/etc/envoy/{name}.yaml"}, "initial_fetch_timeout": _FIRST_FETCH}
    return {"name": name, "sds_config": source}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output
    output.write_text(json.dumps(secured(yaml.safe_load(SOURCE.read_text())), indent=1) + "\n")  # JSON is YAML


if __name__ == "__main__":
    main()
