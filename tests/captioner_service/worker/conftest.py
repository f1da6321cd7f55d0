"""Workers whose engine does what a clip's prompt says."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # under importlib mode nothing else lets tests find their helpers

from worker_scripts import scripted_worker

from captioner_service.worker.in_flight import InFlight
from captioner_service.worker.supervisor import Patience


@pytest.fixture
def in_flight() -> Callable[..., Any]:
    """A loaded describer for the length of a block."""

    @asynccontextmanager
    async def running(
        *, max_queued: int = 64, patience: Patience | None = None, **options: Any
    ) -> AsyncIterator[InFlight]:
        # Longer than a busy machine keeps a sound worker from running: tests of silence bring a patience of their own.
        hurried = patience or Patience(step_seconds=30.0, first_pause_seconds=0.01)
        describer = InFlight(scripted_worker(**options), max_queued=max_queued, patience=hurried)
        async with describer.alive():
            await describer.load()
            yield describer

    return running
