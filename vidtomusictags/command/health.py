"""`vidtags health`: whether the services are ready for work."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from vidtomusictags.command import options
from vidtomusictags.command.credentials import chosen_credentials
from vidtomusictags.command.documents import print_document
from vidtomusictags.command.endings import OK, UNREACHABLE
from vidtomusictags.command.extras import needing
from vidtomusictags.command.rendering import stdout
from vidtomusictags.command.replicas import replicas_of
from vidtomusictags.command.service_settings import ServiceName
from vidtomusictags.command.text import printable

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
_WHERE = re.compile(r"^[A-Z_]+: ipv[46]:\S+: ")
"""What gRPC puts in front of a cause: a code that says nothing, and the address that was asked."""
_READINESS = "readiness"
_SECONDS = 5.0
_LONGEST_CAUSE = 300
_AT_ONCE = 32


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

    def ask(one: tuple[str, str, str, str]) -> tuple[str, str, Readiness]:
        name, address, authority, fault = one
        said = Readiness("unreachable", fault) if fault else readiness(address, shown, authority=authority)
        return name, address, said

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="health") as threads:  # those that are silent all take long
        found = list(threads.map(ask, addresses))
    if as_json:
        print_document(_document(found, in_lists=replicas))
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, address, said in found:
            table.add_row(name, address, said.state, style="" if said.state == "ready" else "red")
        console = stdout()
        console.print(table)
        for name, address, said in found:
            if said.why:
                console.print(Text(f"{name} {address}: {printable(said.why)}"), soft_wrap=True)
    raise typer.Exit(OK if all(said.state == "ready" for _, _, said in found) else UNREACHABLE)


def _document(found: Sequence[tuple[str, str, Readiness]], *, in_lists: bool) -> dict[str, Any]:
    """By service: the one address that was asked, or with `in_lists` every replica."""
    document: dict[str, list[dict[str, str]]] = {}
    for name, address, said in found:
        document.setdefault(name, []).append({"address": address, "state": said.state, "why": said.why})
    return document if in_lists else {name: one for name, (one,) in document.items()}


@dataclass(frozen=True)
class Readiness:
    """state: `ready`, `not ready` (loading or draining), `unreachable`, or `unknown` where something else answers.

    why: what gRPC says of the latter two, in one line.
    """

    state: str
    why: str = ""


def readiness(
    target: str, credentials: Credentials | None = None, *, authority: str = "", within_seconds: float = _SECONDS
) -> Readiness:
    """Asks once.

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
            response = stub.Check(health_pb2.HealthCheckRequest(service=_READINESS), timeout=within_seconds)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                return Readiness("unreachable", "no answer in time")
            state = "unreachable" if error.code() is grpc.StatusCode.UNAVAILABLE else "unknown"
            return Readiness(state, _cause(error.details() or error.code().name))
    return Readiness("ready" if response.status == health_pb2.HealthCheckResponse.SERVING else "not ready")


def _cause(details: str) -> str:
    """The end of gRPC's chain of errors, such as `Connection refused`, or what is wrong with a certificate."""
    last = _WHERE.sub("", " ".join(details.rpartition("last error: ")[2].split()))
    return last if len(last) <= _LONGEST_CAUSE else f"{last[:_LONGEST_CAUSE]}…"
