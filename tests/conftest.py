"""What all tests share: the log of this process, and a film to tag."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # as the command does, before an engine loads onnxruntime
sys.path.insert(0, str(Path(__file__).parent / "support"))  # under importlib mode nothing else lets tests find it

from log_lines import LogLines, LogStream

from vidtomusictags.rpc.logs import write_logs


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is marked `alone` comes last, so that as little as possible waits for it."""
    items.sort(key=lambda item: item.get_closest_marker("alone") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Where several processes share the tests, one that is marked `alone` runs while all others wait."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH)
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def log_stream() -> LogStream:
    """Where all services log: set once, because a logger keeps what it first used."""
    stream = LogStream()
    write_logs(service="test", stream=stream)
    return stream


@pytest.fixture
def logs(log_stream: LogStream) -> LogLines:
    """What is logged from now on."""
    return LogLines(log_stream)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of moving stripes in an MP4 file."""
    from clips import write_clip  # only here: most tests need no decoder

    return write_clip(tmp_path_factory.mktemp("film") / "film.mp4")
