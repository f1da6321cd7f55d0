"""`vidtags health`: whether the services are ready for work."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from vidtomusictags.command import options
from vidtomusictags.command.credentials import chosen_credentials
from vidtomusictags.command.documents import print_document
from vidtomusictags.command.endings import OK, UNREACHABLE
from vidtomusictags.command.extras import needing
from vidtomusictags.command.rendering import stdout
from vidtomusictags.command.replicas import replicas_of
from vidtomusictags.command.service_settings import ServiceName

if TYPE_CHECKING:
    from vidtomusictags.rpc.credentials import Credentials

# In the environment of a service, such as its container, HEALTH_LISTEN and LISTEN say where that service itself is.
Captioner = Annotated[
    str,
    typer.Option(
        envvar=["VIDTAGS_CAPTIONER", "CAPTIONER_HEALTH_LISTEN", "CAPTIONER_LISTEN"],
        metavar="ADDRESS",
        help="The captioner.",
    ),
]
Classifier = Annotated[
    str,
    typer.Option(
        envvar=["VIDTAGS_CLASSIFIER", "CLASSIFIER_HEALTH_LISTEN", "CLASSIFIER_LISTEN"],
        metavar="ADDRESS",
        help="The classifier.",
    ),
]
Gateway = Annotated[
    str,
    typer.Option(
        envvar=["VIDTAGS_GATEWAY", "GATEWAY_HEALTH_LISTEN", "GATEWAY_LISTEN"], metavar="ADDRESS", help="The gateway."
    ),
]

_ANY_ADDRESS = re.compile(r"^(0\.0\.0\.0|\[::\]):")
_READINESS = "readiness"
_SECONDS = 5.0


def health(
    names: Annotated[
        list[ServiceName] | None,
        typer.Argument(metavar="[captioner|classifier|gateway]...", help="Which; all without."),
    ] = None,
    captioner: Captioner = options.CAPTIONER,
    classifier: Classifier = options.CLASSIFIER,
    gateway: Gateway = options.GATEWAY,
    plaintext: Annotated[
        bool, typer.Option("--plaintext", help="Show nothing and speak plaintext, as with ports for probes.")
    ] = False,
    replicas: Annotated[
        bool, typer.Option("--replicas", help="Ask every replica: all addresses of a name, or several with commas.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Ask the services whether they are ready for work. Exit code 0: all are; 3: one is not.

    Examples:
    vidtags health
    vidtags health captioner --captioner 127.0.0.1:50051
    vidtags health gateway --gateway gateway.example.com:50050 --ca ca.pem
    vidtags health gateway --gateway 10.0.0.7:50055 --plaintext
    vidtags health --replicas --captioner dns:///captioner:50051 --ca ca.pem
    vidtags health --json
    """
    targets = {
        ServiceName.CAPTIONER: captioner,
        ServiceName.CLASSIFIER: classifier,
        ServiceName.GATEWAY: gateway,
    }
    asked = {name: targets[name] for name in names or list(ServiceName)}
    if replicas:
        all_of_them = [one for name, target in asked.items() for one in replicas_of(name, target)]
        addresses = [(one.service.value, one.address, one.name, one.fault) for one in all_of_them]
    else:
        addresses = [(name.value, _ANY_ADDRESS.sub("127.0.0.1:", target), "", "") for name, target in asked.items()]
    shown = None if plaintext else chosen_credentials()
    found = [
        (name, address, f"unreachable: {fault}" if fault else readiness(address, shown, authority=authority))
        for name, address, authority, fault in addresses
    ]
    if as_json:
        print_document(_document(found, in_lists=replicas))
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, address, state in found:
            table.add_row(name, address, state, style="" if state == "ready" else "red")
        stdout().print(table)
    raise typer.Exit(OK if all(state == "ready" for _, _, state in found) else UNREACHABLE)


def _document(found: Sequence[tuple[str, str, str]], *, in_lists: bool) -> dict[str, Any]:
    """By service: the one address that was asked, or with `in_lists` every replica."""
    if not in_lists:
        return {name: {"address": address, "state": state} for name, address, state in found}
    document: dict[str, list[dict[str, str]]] = {}
    for name, address, state in found:
        document.setdefault(name, []).append({"address": address, "state": state})
    return document


def readiness(target: str, credentials: Credentials | None = None, *, authority: str = "") -> str:
    """`ready`, `not ready` (loading or draining), `unreachable`, or `unknown` where something else answers.

    authority: host and port that a certificate must be for; empty: those of the target.
    """
    with needing("service"):
        from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415
    import grpc  # noqa: PLC0415

    from vidtomusictags.client.calls import open_channel  # noqa: PLC0415

    # Health asks nobody for a token, so that none is shown, whatever the network.
    tls_alone = replace(credentials, token_file=None) if credentials else None
    with open_channel(target, tls_alone, authority=authority) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # its published types know no methods
        try:
            response = stub.Check(health_pb2.HealthCheckRequest(service=_READINESS), timeout=_SECONDS)
        except grpc.RpcError as error:
            unreachable = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
            return "unreachable" if error.code() in unreachable else "unknown"
    return "ready" if response.status == health_pb2.HealthCheckResponse.SERVING else "not ready"
