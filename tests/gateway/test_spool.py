"""Uploads on disk, and who cleans up after whom."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.spool import open_spool
from vidtomusictags.rpc.failures import SpoolFull, VideoTooLarge

HOLD = """
import sys, pathlib, signal
from gateway.spool import open_spool
with open_spool(pathlib.Path(sys.argv[1]), max_upload_bytes=1, max_total_bytes=1) as spool:
    (next(pathlib.Path(sys.argv[1]).glob("vidtags-spool-*")) / "upload").write_bytes(b"x" * 1000)
    print("held", flush=True)
    signal.pause()
"""


def hold(directory: Path) -> subprocess.Popen[str]:
    """A process that holds a spool with an upload in it."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(directory)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_spool_of_a_killed_gateway_is_removed_at_the_next_start(tmp_path: Path) -> None:
    with hold(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (abandoned,) = tmp_path.iterdir()
    with open_spool(tmp_path, max_upload_bytes=1, max_total_bytes=1):
        assert not abandoned.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_spool_of_a_gateway_that_lives_is_left_alone(tmp_path: Path) -> None:
    with hold(tmp_path) as process:
        try:
            (held,) = tmp_path.iterdir()
            with open_spool(tmp_path, max_upload_bytes=1, max_total_bytes=1):
                assert (held / "upload").stat().st_size == 1000
            assert (held / "upload").exists()
        finally:
            process.kill()


def test_a_spool_is_never_seen_without_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another gateway that starts at the very moment must not take a new spool for an abandoned one."""
    import fcntl

    seen: list[str] = []
    flock = fcntl.flock

    def at_the_worst_moment(file: object, operation: int) -> None:
        seen.extend(path.name for path in tmp_path.glob("vidtags-spool-*/lock"))
        flock(file, operation)  # type: ignore[arg-type]

    monkeypatch.setattr("gateway.spool.fcntl.flock", at_the_worst_moment)
    with open_spool(tmp_path, max_upload_bytes=1, max_total_bytes=1):
        assert seen == []


async def test_uploads_are_private_counted_and_gone_afterwards(tmp_path: Path) -> None:
    with open_spool(tmp_path, max_upload_bytes=10, max_total_bytes=15) as spool:
        async with spool.receiving() as upload:
            await upload.write(b"0123456789")
            assert upload.path.read_bytes() == b"0123456789"
            assert stat.S_IMODE(upload.path.stat().st_mode) == 0o600
            assert stat.S_IMODE(upload.path.parent.stat().st_mode) == 0o700
            with pytest.raises(VideoTooLarge):
                await upload.write(b"x")
            async with spool.receiving() as other:
                with pytest.raises(SpoolFull):
                    await other.write(b"012345")
                assert other.size == 0
            assert spool.used_bytes == 10
        assert spool.used_bytes == 0
        assert not upload.path.exists()


async def test_room_is_kept_for_what_is_announced_and_given_back_once(tmp_path: Path) -> None:
    with open_spool(tmp_path, max_upload_bytes=10, max_total_bytes=15) as spool:
        async with spool.receiving(10) as upload:
            assert spool.used_bytes == 10
            await upload.write(b"01234")
            assert spool.used_bytes == 10
            for announced in (6, 11):
                with pytest.raises(SpoolFull if announced == 6 else VideoTooLarge):
                    async with spool.receiving(announced):
                        pass
            async with spool.receiving() as other:
                await other.write(b"01234")
                with pytest.raises(SpoolFull):
                    async with spool.receiving(0):  # nothing at all is left
                        pass
            assert spool.used_bytes == 10
        assert spool.used_bytes == 0


async def test_a_spool_that_cannot_be_written_keeps_no_room(tmp_path: Path) -> None:
    with open_spool(tmp_path, max_upload_bytes=10, max_total_bytes=15) as spool:
        (own,) = tmp_path.iterdir()  # noqa: ASYNC240  # a test may wait
        (own / "lock").unlink()
        own.rmdir()
        with pytest.raises(SpoolFull):
            async with spool.receiving(10):
                pass
        assert spool.used_bytes == 0
