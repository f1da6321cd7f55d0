"""Clips described by endpoints: what goes over the wire, what comes of trouble, and who is asked."""

from __future__ import annotations

import asyncio
import base64
import io
import time

import numpy as np
import pytest

pytest.importorskip("openai", reason="needs the openai package: pip install -e '.[captioner-openai]'")

from endpoint_process import asking, endpoint, options_for
from PIL import Image
from recording_meter import RecordingMeter

from captioner_service.clip import Clip, FinishReason, GenerationOptions, Prompt
from captioner_service.describer import Condition
from captioner_service.engines.openai.describer import OpenAIDescriber
from captioner_service.engines.openai.endpoints import Endpoint
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.telemetry import Telemetry
from vidtomusictags.rpc.trace_context import send_on
from vidtomusictags.rpc.upstream_meter import ATTEMPTS, FAILURES, SECONDS


def clip_of(frames: int = 3, **options: object) -> Clip:
    """Frames of growing brightness."""
    pictures = np.stack([np.full((48, 64, 3), 40 * n + 20, np.uint8) for n in range(frames)])
    seconds = [n / 2 for n in range(frames)]
    return Clip(pictures, seconds, Prompt("concise", "1", "What happens?"), GenerationOptions(**options))  # type: ignore[arg-type]


async def test_frames_go_out_as_pictures_in_order_and_text_streams_back() -> None:
    async with asking("ok") as (describer, [server]):
        pieces: list[str] = []
        described = await describer.submit(
            clip_of(temperature=0.5, top_p=0.9, seed=11, stop=("END",)), within_seconds=10, on_text=pieces.append
        )
        assert described.caption.text == "A dog runs over the grass." == "".join(pieces)
        assert len(pieces) > 3
        assert described.caption.finish_reason is FinishReason.STOP
        assert (described.caption.prompt_tokens, described.caption.completion_tokens) == (90, 6)
        sent = (await server.log())["log"][0]
        body = sent["body"]
        assert (body["model"], body["temperature"], body["top_p"], body["seed"]) == ("tiny-vlm", 0.5, 0.9, 11)
        assert (body["stop"], body["stream"], body["max_tokens"]) == (["END"], True, 256)
        *pictures, question = body["messages"][0]["content"]
        levels = []
        for picture in pictures:
            data = base64.b64decode(picture["image_url"]["url"].removeprefix("data:image/jpeg;base64,"))
            levels.append(round(float(np.asarray(Image.open(io.BytesIO(data))).mean())))
        assert levels == pytest.approx([20, 60, 100], abs=2)
        assert question["text"].endswith("What happens?") and "3 frames" in question["text"]


async def test_text_is_cut_at_the_wanted_length_and_says_so() -> None:
    async with asking("ok") as (describer, _):
        described = await describer.submit(clip_of(max_new_tokens=2), within_seconds=10)
        assert (described.caption.text, described.caption.finish_reason) == ("A dog runs", FinishReason.LENGTH)


async def test_a_stop_is_kept_even_where_the_endpoint_forgets_it() -> None:
    async with asking("ok") as (describer, _):
        described = await describer.submit(clip_of(stop=("r the",)), within_seconds=10)
        assert (described.caption.text, described.caption.finish_reason) == ("A dog runs ove", FinishReason.STOP)


@pytest.mark.parametrize("trouble", ["503", "429", "drop0"])
async def test_trouble_before_any_text_is_tried_again_elsewhere(trouble: str) -> None:
    async with asking(trouble, "ok") as (describer, [first, second]):
        described = await asyncio.gather(*(describer.submit(clip_of(), within_seconds=10) for _ in range(4)))
        assert {one.caption.text for one in described} == {"A dog runs over the grass."}
        assert len((await second.log())["log"]) == 4
        assert 1 <= len((await first.log())["log"]) <= 4, "it is left alone once it was seen to fail"


async def test_the_only_endpoint_is_given_the_time_it_asks_for() -> None:
    async with asking("429wait,ok") as (describer, _):
        began = time.monotonic()
        described = await describer.submit(clip_of(), within_seconds=10)
        assert described.caption.text.startswith("A dog")
        assert time.monotonic() - began > 0.15


async def test_text_that_was_told_is_never_told_twice() -> None:
    async with asking("drop", "drop") as (describer, servers):
        pieces: list[str] = []
        with pytest.raises(failures.UpstreamUnavailable) as caught:
            await describer.submit(clip_of(), within_seconds=10, on_text=pieces.append)
        assert caught.value.retry_after_seconds is not None
        assert "".join(pieces) == "A dog runs over"
        assert sum([len((await server.log())["log"]) for server in servers]) == 1


@pytest.mark.parametrize(
    ("step", "failure"),
    [
        ("quota", failures.UpstreamQuota),
        ("401", failures.UpstreamAuth),
        ("context", failures.ContextLengthExceeded),
        ("400", failures.UpstreamRejected),
        ("filter", failures.ContentRefused),
        ("empty", failures.CaptioningFailed),
    ],
)
async def test_what_another_attempt_cannot_help_is_told_at_once(step: str, failure: type[failures.Failure]) -> None:
    async with asking(step) as (describer, [server]):
        with pytest.raises(failure) as caught:
            await describer.submit(clip_of(), within_seconds=10)
        assert "secret" not in caught.value.message
        assert caught.value.retry_after_seconds is None
        assert len((await server.log())["log"]) == 1


async def test_attempts_end_when_all_are_used() -> None:
    async with asking("503") as (describer, [server]):
        with pytest.raises(failures.UpstreamUnavailable):
            await describer.submit(clip_of(), within_seconds=30)
        assert len((await server.log())["log"]) == 3


async def test_the_deadline_holds_while_an_endpoint_hangs_and_the_endpoint_is_hung_up_on() -> None:
    async with asking("hang,ok") as (describer, _):
        began = time.monotonic()
        with pytest.raises(failures.DeadlineExceeded):
            await describer.submit(clip_of(), within_seconds=0.5)
        assert time.monotonic() - began < 3
        assert (await describer.submit(clip_of(), within_seconds=10)).caption.text.startswith("A dog")


async def test_cancelling_hangs_up() -> None:
    async with asking("words") as (describer, [server]):
        heard = asyncio.Event()
        running = asyncio.create_task(
            describer.submit(clip_of(max_new_tokens=250), within_seconds=60, on_text=lambda _: heard.set())
        )
        await heard.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        async with asyncio.timeout(10):
            while (await server.log())["hung_up"] != 1:
                pass


async def test_clips_are_spread_and_no_endpoint_gets_more_than_its_share_at_once() -> None:
    async with asking("slow", "slow", "slow", max_concurrent=2, max_queued=100) as (describer, servers):
        assert describer.card.max_batch_clips == 6
        await asyncio.gather(*(describer.submit(clip_of(), within_seconds=30) for _ in range(30)))
        logs = [await server.log() for server in servers]
        assert all(len(log["log"]) >= 6 for log in logs)
        assert all(log["most_at_once"] <= 2 for log in logs)


async def test_a_full_line_refuses_at_once_with_a_delay() -> None:
    async with asking("slow", max_concurrent=1, max_queued=2) as (describer, _):
        outcomes = await asyncio.gather(
            *(describer.submit(clip_of(), within_seconds=30) for _ in range(12)), return_exceptions=True
        )
        refused = [one for one in outcomes if isinstance(one, failures.QueueFull)]
        assert len(refused) >= 5 and all(one.retry_after_seconds for one in refused)
        assert len(refused) < 12


async def test_without_any_endpoint_the_service_is_not_ready_until_one_is_back() -> None:
    async with asking("ok") as (describer, [server]):
        server.process.kill()
        await server.process.wait()
        with pytest.raises(failures.UpstreamUnavailable):
            await describer.submit(clip_of(), within_seconds=10)
        async for condition in describer.conditions():
            assert condition is Condition.RESTARTING
            break


async def test_a_start_without_an_endpoint_or_a_model_says_what_to_set() -> None:
    with pytest.raises(ValueError, match="CAPTIONER_OPENAI_BASE_URLS"):
        OpenAIDescriber(options_for())
    describer = OpenAIDescriber(options_for("http://127.0.0.1:9/v1", load_seconds=0.2))
    async with describer.alive():
        with pytest.raises(ValueError, match="no endpoint of CAPTIONER_OPENAI_BASE_URLS answered"):
            await describer.load()
    async with endpoint() as one:
        named = OpenAIDescriber(options_for(one.url, model="other-model"))
        async with named.alive():
            assert (await named.load()).model == "other-model"


async def test_attempts_are_counted_by_endpoint_and_reason_and_tell_the_trace() -> None:
    meter = RecordingMeter()
    send_on({"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    try:
        async with asking("503,ok", telemetry=Telemetry(meter=meter)) as (describer, [server]):
            await describer.submit(clip_of(), within_seconds=20)
            sent = (await server.log())["log"]
        host = server.url.removeprefix("http://").removesuffix("/v1")
    finally:
        send_on({})
    assert meter.sum(ATTEMPTS, host) == meter.sum(ATTEMPTS) == 2
    assert meter.sum(FAILURES, host, "UPSTREAM_UNAVAILABLE") == meter.sum(FAILURES) == 1
    assert len(meter.observed(SECONDS, host)) == 2
    headers = [{name.lower(): value for name, value in one["headers"].items()} for one in sent]
    assert [one["traceparent"].split("-")[1] for one in headers] == ["a" * 32] * 2


@pytest.mark.parametrize("url", ["http://user:secret@vllm:8000/v1?key=secret", "http://vllm:8000/secret/v1"])
def test_no_more_of_an_address_is_told_than_its_host(url: str) -> None:
    meter = RecordingMeter()
    told = Endpoint(url, client=None, telemetry=Telemetry(meter=meter))  # type: ignore[arg-type]
    assert told.host == "vllm:8000"
    assert {host for _, (host, *_), _ in meter.told} == {"vllm:8000"}
    assert "secret" not in str(meter.told)
