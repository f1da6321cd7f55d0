"""When the certificate in use runs out, and what becomes of files that change, as Prometheus is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from callers import write_callers
from certificates import Authority
from log_lines import LogLines
from metrics_page import MetricsPage, free_address, read
from scripted_server import hosting

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.rpc.file_metrics import CERTIFICATE_ENDS, RELOADS

DAY = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def readings(page: MetricsPage, what: str) -> tuple[float | None, float | None]:
    """That were good, and that failed."""
    good, failed = (page.value(RELOADS.name, what=what, outcome=outcome) for outcome in ("ok", "failed"))
    return good, failed


async def test_a_scrape_finds_a_new_certificate_and_one_that_cannot_be_used_though_nobody_connects(
    authority: Authority, logs: LogLines
) -> None:
    files, metrics_at = authority.issue("127.0.0.1", not_after=DAY), free_address()
    async with hosting(tls_certificate=files.certificate, tls_key=files.key, metrics_listen=metrics_at):

        async def ends() -> float | None:
            return (await read(metrics_at)).value(CERTIFICATE_ENDS.name, use="listener")

        assert await ends() == DAY.timestamp()
        assert readings(await read(metrics_at), "certificate") == (0, 0)
        later = DAY + timedelta(days=60)
        authority.issue("127.0.0.1", not_after=later)
        assert await ends() == later.timestamp()
        assert readings(await read(metrics_at), "certificate") == (1, 0)
        files.key.write_bytes(b"")
        assert await ends() == later.timestamp()  # of the one that is still shown
        assert readings(await read(metrics_at), "certificate")[1] != 0
        assert len(logs.of("old file kept", what="certificate")) == 1
        authority.issue("127.0.0.1", not_after=DAY)
        assert await ends() == DAY.timestamp()
        assert readings(await read(metrics_at), "certificate")[0] == 2


async def test_the_file_of_callers_is_counted_when_a_call_finds_it_changed(tmp_path: Path) -> None:
    file, metrics_at = tmp_path / "callers.toml", free_address()
    write_callers(file, a={"token": "a", "permissions": ["model"]})
    shown = (("authorization", "Bearer a"),)
    async with hosting(tokens_file=file, metrics_listen=metrics_at) as hosted:
        await hosted.stub.GetModel(pb.GetModelRequest(), metadata=shown)
        assert readings(await read(metrics_at), "callers") == (0, 0)
        write_callers(file, a={"token": "a", "permissions": ["model", "caption"]})
        await hosted.stub.GetModel(pb.GetModelRequest(), metadata=shown)
        assert readings(await read(metrics_at), "callers") == (1, 0)
        file.write_text("nonsense")
        await hosted.stub.GetModel(pb.GetModelRequest(), metadata=shown)
        assert readings(await read(metrics_at), "callers") == (1, 1)


async def test_without_files_nothing_is_told_of_them() -> None:
    """An end at 0 would be one that has passed."""
    metrics_at = free_address()
    async with hosting(metrics_listen=metrics_at):
        page = await read(metrics_at)
        assert page.value(CERTIFICATE_ENDS.name) is None
        assert page.value(RELOADS.name) is None
