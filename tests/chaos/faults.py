"""What goes wrong, one thing after another; each is mended before the next begins."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from disk import Disk
from fleet import LATER, Fleet
from provider import Provider

READY_SECONDS = 1.5
"""How long a new process must have been ready before the next may go, as minReadySeconds of a Deployment: until then
callers may not have come back to it."""


@dataclass(frozen=True)
class Scene:
    """All that can be broken. disk: of the first gateway. pause: seconds that a fault lasts."""

    fleet: Fleet
    provider: Provider
    disk: Disk
    pause: float


Fault = Callable[[Scene], Awaitable[None]]


async def calm(scene: Scene) -> None:
    """Nothing goes wrong."""
    await asyncio.sleep(scene.pause)


async def captioner_is_killed(scene: Scene) -> None:
    """kill -9 in the middle of its work; started again."""
    await scene.fleet.kill_and_restart("captioner-1")
    await asyncio.sleep(scene.pause / 2)


async def classifier_is_killed(scene: Scene) -> None:
    """The same."""
    await scene.fleet.kill_and_restart("classifier-1")
    await asyncio.sleep(scene.pause / 2)


async def gateway_is_killed(scene: Scene) -> None:
    """The same; what it kept on disk goes when it is started again."""
    await scene.fleet.kill_and_restart("gateway-1")
    left = [path.name for path in scene.fleet.spools[0].iterdir()]
    assert len(left) == 1, left


async def captioner_freezes(scene: Scene) -> None:
    """SIGSTOP: it says nothing any more, not even that it is not well."""
    async with _frozen(scene, "captioner-4"):
        await asyncio.sleep(2 * scene.pause)


async def classifier_freezes(scene: Scene) -> None:
    """The same."""
    async with _frozen(scene, "classifier-4"):
        await asyncio.sleep(2 * scene.pause)


async def connections_are_half_open(scene: Scene) -> None:
    """Nothing passes between the gateways and one captioner, and nobody is told."""
    scene.fleet.relay.go_silent()
    try:
        await asyncio.sleep(2 * scene.pause)
    finally:
        scene.fleet.relay.speak_again()


async def provider_is_slow(scene: Scene) -> None:
    """The language model takes a second and a half for what took none."""
    scene.provider.be_slow(1.5)
    await asyncio.sleep(scene.pause)
    scene.provider.be_well()


async def provider_limits_rates(scene: Scene) -> None:
    """429 for everybody."""
    scene.provider.limit_rates()
    await asyncio.sleep(scene.pause)
    scene.provider.be_well()


async def provider_is_down(scene: Scene) -> None:
    """503 for everybody."""
    scene.provider.be_down()
    await asyncio.sleep(scene.pause)
    scene.provider.be_well()


async def disk_is_full(scene: Scene) -> None:
    """One gateway cannot keep uploads."""
    async with scene.disk.full():
        await asyncio.sleep(2 * scene.pause)


async def rollout(scene: Scene) -> None:
    """Every service is replaced, one process at a time; one captioner and one classifier by one on a new address."""
    for name in ("captioner-1", "captioner-3", "classifier-1", "gateway-1", "gateway-2"):
        await scene.fleet.restart(name)
        await asyncio.sleep(READY_SECONDS)
    await scene.fleet.replace("captioner-2", "captioner-4", LATER["captioner"])
    await scene.fleet.replace("classifier-2", "classifier-4", LATER["classifier"])


@asynccontextmanager
async def _frozen(scene: Scene, name: str) -> AsyncIterator[None]:
    service = scene.fleet.services[name]
    service.send(signal.SIGSTOP)
    try:
        yield
    finally:
        service.send(signal.SIGCONT)
