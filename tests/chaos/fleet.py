"""Three captioners, two classifiers and two gateways on addresses of their own, found by name."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from free_ports import free_port
from name_server import NameServer, serving_names
from service_process import ServiceProcess
from tcp_proxy import TcpProxy, proxying

CAPTIONERS = ["127.0.1.1", "127.0.1.2", "127.0.1.3"]
CLASSIFIERS = ["127.0.2.1", "127.0.2.2"]
GATEWAYS = ["127.0.3.1", "127.0.3.2"]
RELAY = "127.0.1.9"
"""Where the third captioner is known: a proxy that can go silent stands in front of it."""
LATER = {"captioner": "127.0.1.4", "classifier": "127.0.2.4"}
"""Addresses that come up only while the fleet runs, as new pods do."""
CONNECTION_AGE_SECONDS = 3

_HOSTED: dict[str, Any] = {
    "drain_announce_seconds": 1,
    "drain_grace_seconds": 20,
    "max_connection_age_seconds": CONNECTION_AGE_SECONDS,
}


@dataclass
class Fleet:
    """All processes by name, such as `captioner-1`, the names that lead to them, and what stands between."""

    names: NameServer
    port: int
    spools: Sequence[Path]
    relay: TcpProxy
    services: dict[str, ServiceProcess] = field(default_factory=dict)
    known: dict[str, list[str]] = field(default_factory=dict)

    @property
    def gateways(self) -> str:
        """gRPC's target of both gateways."""
        return "ipv4:" + ",".join(f"{address}:{self.port}" for address in GATEWAYS)

    async def restart(self, name: str) -> None:
        """Ends one as a rollout does, waits until it has gone, and starts it again."""
        service = self.services[name]
        service.send(signal.SIGTERM)
        assert await service.ended() == 0, name
        await service.start()

    async def kill_and_restart(self, name: str) -> None:
        """Ends one as a fault does, and starts it again."""
        await self.services[name].kill()
        await self.services[name].start()

    async def replace(self, old: str, new: str, address: str) -> None:
        """Starts one on an address that nobody knew before, and ends another in its favour."""
        kind = old.partition("-")[0]
        was = self.services[old]
        self.services[new] = made = was.at(f"{address}:{self.port}")
        await made.start()
        self.known[f"{kind}.test"].append(address)
        await self.names.tell(self.known)
        await asyncio.sleep(CONNECTION_AGE_SECONDS * 1.2)  # by then every gateway has looked the name up anew
        self.known[f"{kind}.test"].remove(was.address.rpartition(":")[0])
        await self.names.tell(self.known)
        was.send(signal.SIGTERM)
        assert await was.ended() == 0, old


@asynccontextmanager
async def running_fleet(directory: Path, *, roots: Path, spools: Sequence[Path], provider: str) -> AsyncIterator[Fleet]:
    """The fleet for the length of the block.

    directory: for logs. roots: where clips are. spools: of the gateways. provider: URL of the language model.
    """
    port = free_port([*CAPTIONERS, *CLASSIFIERS, *GATEWAYS, RELAY, *LATER.values()])
    known = {"captioner.test": [*CAPTIONERS[:2], RELAY], "classifier.test": list(CLASSIFIERS)}
    async with AsyncExitStack() as stack:
        names = await stack.enter_async_context(serving_names(directory, known))
        relay = await stack.enter_async_context(proxying(f"{CAPTIONERS[2]}:{port}", host=RELAY, port=port))
        fleet = Fleet(names, port, spools, relay, known=known)
        environment = {"GRPC_DNS_RESOLVER": "ares", "COVERAGE_PROCESS_START": ""}

        def add(kind: str, number: int, address: str, **settings: Any) -> None:
            name = f"{kind}-{number}"
            settings = {"listen": f"{address}:{port}", **_HOSTED, **settings}
            fleet.services[name] = ServiceProcess(kind, directory / f"{name}.log", settings, environment)

        for number, address in enumerate(CAPTIONERS, 1):
            add("captioner", number, address, engine="instant")
        for number, address in enumerate(CLASSIFIERS, 1):
            add("classifier", number, address, engine="instructor", base_url=provider, api_key="k", tries=2)
        for number, address in enumerate(GATEWAYS, 1):
            add(
                *("gateway", number, address),
                captioner=f"dns://{names.authority}/captioner.test:{port}",
                classifier=f"dns://{names.authority}/classifier.test:{port}",
                roots=f'["{roots}"]',
                spool_directory=spools[number - 1],
                decode_workers=1,
                insecure=True,  # by name, all of it on loopback
                answer_seconds=4,
                keepalive_seconds=2,
            )
        try:
            await asyncio.gather(*(service.start() for service in fleet.services.values()))
            yield fleet
        finally:
            for service in fleet.services.values():
                await service.kill()
