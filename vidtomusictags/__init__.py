"""The contract, the client and the command of VidToMusicTags.

The names below are imported when they are first used, because everything in this package passes through here and much
of it, such as a process that decodes video, must not load gRPC.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidtomusictags.client.asynchronous import AsyncClient
    from vidtomusictags.client.blocking import Client
    from vidtomusictags.client.captioner import CaptionerClient, Still
    from vidtomusictags.client.classifier import ClassifierClient
    from vidtomusictags.client.result import TaggedVideo
    from vidtomusictags.client.tagging import Progress
    from vidtomusictags.rpc.credentials import Credentials
    from vidtomusictags.rpc.failures import Failure

__all__ = [
    "AsyncClient",
    "CaptionerClient",
    "ClassifierClient",
    "Client",
    "Credentials",
    "Failure",
    "Progress",
    "Still",
    "TaggedVideo",
]

_HOMES = {
    "AsyncClient": "client.asynchronous",
    "CaptionerClient": "client.captioner",
    "ClassifierClient": "client.classifier",
    "Client": "client.blocking",
    "Credentials": "rpc.credentials",
    "Failure": "rpc.failures",
    "Progress": "client.tagging",
    "Still": "client.captioner",
    "TaggedVideo": "client.result",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
