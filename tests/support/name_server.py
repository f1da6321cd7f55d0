"""A real name server on loopback whose names can be changed while others ask for them."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from free_ports import free_port

DNSMASQ = shutil.which("dnsmasq") or ("/usr/sbin/dnsmasq" if Path("/usr/sbin/dnsmasq").exists() else None)


class NameServer:
    """dnsmasq with a file of names. authority: as gRPC's targets name it, dns://AUTHORITY/name:port."""

    def __init__(self, hosts: Path, port: int) -> None:
        self._hosts = hosts
        self._process: asyncio.subprocess.Process | None = None
        self.port = port
        self.authority = f"127.0.0.1:{port}"

    async def start(self) -> None:
        """Returns once it answers."""
        assert DNSMASQ is not None, "dnsmasq is missing"
        self._process = await asyncio.create_subprocess_exec(
            *(DNSMASQ, "--keep-in-foreground", "--no-resolv", "--no-hosts", "--bind-interfaces", "--user="),
            *("--listen-address=127.0.0.1", f"--port={self.port}", f"--addn-hosts={self._hosts}", "--pid-file="),
            *("--log-facility=-", "--local-ttl=0", "--conf-file=/dev/null"),
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._process.stderr is not None
        async with asyncio.timeout(10):
            while b"read " not in (line := await self._process.stderr.readline()):
                assert line, "dnsmasq ended"

    async def tell(self, names: Mapping[str, Sequence[str]]) -> None:
        """From now on these names have these addresses, and no others."""
        lines = [f"{address} {name}\n" for name, addresses in names.items() for address in addresses]
        self._hosts.write_text("".join(lines))
        if self._process is not None:
            assert self._process.stderr is not None
            self._process.send_signal(signal.SIGHUP)
            async with asyncio.timeout(10):
                while b"read " not in await self._process.stderr.readline():
                    pass

    async def stop(self) -> None:
        """Ends it."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def serving_names(directory: Path, names: Mapping[str, Sequence[str]]) -> AsyncIterator[NameServer]:
    """A name server for the length of the block."""
    server = NameServer(directory / "hosts", free_port())
    await server.tell(names)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
