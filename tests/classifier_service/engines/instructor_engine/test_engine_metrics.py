"""What the engine counts of the model that it asks."""

from __future__ import annotations

from typing import Any

import pytest
from fake_openai import fails, says
from recording_meter import RecordingMeter

from classifier_service.engines.instructor.metrics import BREAKER_OPEN, REASKS
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.telemetry import Telemetry
from vidtomusictags.rpc.upstream_meter import ATTEMPTS, FAILURES

MODEL = "openai/gpt-4o"


async def test_tries_and_reasks_are_counted_apart(opened: Any, laughter: Any, answer: Any) -> None:
    meter = RecordingMeter()
    script = [fails(429, "rate_limit_exceeded", headers={"Retry-After": "0"}), says("no JSON"), says(answer())]
    async with opened(*script, telemetry=Telemetry(meter=meter)) as bench:
        await bench.engine.classify(laughter)
    assert meter.sum(ATTEMPTS, MODEL) == 3
    assert meter.sum(FAILURES, MODEL, "UPSTREAM_RATE_LIMITED") == meter.sum(FAILURES) == 1
    assert meter.sum(REASKS) == 1


async def test_a_model_that_is_left_alone_is_told_so_and_not_asked(opened: Any, laughter: Any) -> None:
    meter = RecordingMeter()
    options = {"breaker_failures": 2, "breaker_seconds": 60.0, "tries": 1}
    async with opened(fails(503), telemetry=Telemetry(meter=meter), **options) as bench:
        is_open = meter.watched[BREAKER_OPEN.name, MODEL]
        for before in (0.0, 0.0, 1.0):
            assert is_open() == before
            with pytest.raises(failures.UpstreamUnavailable):
                await bench.engine.classify(laughter)
        assert is_open() == 1.0
    assert meter.sum(ATTEMPTS) == meter.sum(FAILURES) == 2
