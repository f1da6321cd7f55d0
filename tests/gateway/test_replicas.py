"""Several captioners and classifiers behind one gateway, some of which fail: its caller does not notice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from fake_upstreams import FakeCaptioner, FakeClassifier, Script, raising, serving_captioner, serving_classifier
from log_lines import LogLines
from tagging_calls import Outcome, hear
from tcp_proxy import TcpProxy, proxying

from gateway import clients
from gateway.app import running
from gateway.settings import GatewaySettings
from vidtomusictags.captioner.v1 import captioner_pb2
from vidtomusictags.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from vidtomusictags.rpc.failures import CaptioningFailed, Draining, StreamsFull, WorkerLost

IMPATIENT: dict[str, Any] = {"answer_seconds": 1, "keepalive_seconds": 1}
WITH_PROMPT = gateway_pb2.TagOptions(prompt=captioner_pb2.Prompt(name="scene"))
WITH_TEXT = gateway_pb2.TagOptions(text_deltas=True)


@dataclass
class Replicas:
    """A gateway in front of captioners and classifiers, each behind a proxy."""

    uri: str = ""
    captioners: list[FakeCaptioner] = field(default_factory=list)
    classifiers: list[FakeClassifier] = field(default_factory=list)
    captioner_lines: list[TcpProxy] = field(default_factory=list)
    classifier_lines: list[TcpProxy] = field(default_factory=list)
    stub: Any = None
    heard: Outcome = field(default_factory=Outcome)

    async def tag(self, options: gateway_pb2.TagOptions | None = None) -> Outcome:
        self.heard = outcome = Outcome()
        request = gateway_pb2.TagVideoRequest(uri=self.uri, options=options)
        return await hear(self.stub.TagVideo(request, timeout=60), outcome)

    def script(self, name: str, *scripts: Script) -> None:
        """Lets every captioner take the next of these scripts when it comes to `name`, the last one again and again."""
        rest = list(scripts)

        async def take() -> None:
            await (rest.pop(0) if len(rest) > 1 else rest[0])()

        for captioner in self.captioners:
            setattr(captioner, name, take)


@asynccontextmanager
async def replicas(
    film: Path, *, captioners: int = 2, classifiers: int = 1, **settings: Any
) -> AsyncIterator[Replicas]:
    made = Replicas(f"file://{film}")
    async with AsyncExitStack() as stack:
        for _ in range(captioners):
            captioner = FakeCaptioner()
            port = await stack.enter_async_context(serving_captioner(captioner))
            made.captioners.append(captioner)
            made.captioner_lines.append(await stack.enter_async_context(proxying(f"127.0.0.1:{port}")))
        for _ in range(classifiers):
            classifier = FakeClassifier()
            port = await stack.enter_async_context(serving_classifier(classifier))
            made.classifiers.append(classifier)
            made.classifier_lines.append(await stack.enter_async_context(proxying(f"127.0.0.1:{port}")))
        defaults: dict[str, Any] = {
            "listen": "127.0.0.1:0",
            "drain_announce_seconds": 0,
            "drain_grace_seconds": 2,
            "decode_workers": 1,
            "roots": (film.parent,),
            "captioner": "ipv4:" + ",".join(line.address for line in made.captioner_lines),
            "classifier": "ipv4:" + ",".join(line.address for line in made.classifier_lines),
        }
        port = await stack.enter_async_context(running(GatewaySettings(**defaults | settings)))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        made.stub = gateway_pb2_grpc.TaggingServiceStub(channel)
        # Until all are known: round robin goes over those that are.
        for stage, count in ((made.captioner_lines, captioners), (made.classifier_lines, classifiers)):
            assert len(stage) == count
        async with asyncio.timeout(60):
            while not all(captioner.configs for captioner in made.captioners):
                assert (await made.tag()).result
        yield made


def once(action: Any) -> Script:
    async def script() -> None:
        action()
        await asyncio.Event().wait()

    return script


async def nothing() -> None:
    """Does its work."""


def text_of(outcome: Outcome) -> str:
    """The text as a caller sees it in the end."""
    text = ""
    for event in outcome.events:
        if event.HasField("text_delta"):
            text = event.text_delta.text if event.text_delta.restarts else text + event.text_delta.text
    return text


class TestCaptioner:
    @pytest.mark.parametrize("where", ["on_config", "on_frames"])
    async def test_a_replica_that_dies_before_its_summary_is_replaced_by_another(
        self, where: str, film: Path, logs: LogLines
    ) -> None:
        async with replicas(film) as made:

            def die() -> None:
                for line in made.captioner_lines:
                    line.cut()  # both connections: the stream was on one of them

            made.script(where, once(die), nothing)
            outcome = await made.tag(WITH_TEXT)
            assert outcome.result.summary.text == text_of(outcome) == "4 frames of a quiet forest."
            assert (outcome.result.attempts.captioner, outcome.result.attempts.classifier) == (2, 1)
            assert outcome.kinds == ["accepted", "progress", "text_delta", "summary", "progress", "result"]
            (line,) = logs.of("upstream attempt failed")
            assert (line["upstream"], line["attempt"], line["reason"]) == ("captioner", 1, "UPSTREAM_UNAVAILABLE")
            assert logs.of("answered", caption_attempts=2, classify_attempts=1)

    @pytest.mark.parametrize(
        "failure",
        [
            Draining("I go.", retry_after_seconds=0.05),
            WorkerLost("Again.", retry_after_seconds=0.05),
            StreamsFull("Wait.", retry_after_seconds=0.05),
        ],
        ids=lambda failure: failure.reason,
    )
    @pytest.mark.parametrize("where", ["on_config", "on_frames"])
    async def test_a_replica_that_says_that_another_may_do_it_is_believed(
        self, where: str, failure: Exception, film: Path
    ) -> None:
        async with replicas(film) as made:
            made.script(where, raising(failure), nothing)
            outcome = await made.tag()
            assert outcome.result.attempts.captioner == 2

    async def test_a_failure_of_the_clip_itself_is_told_at_once(self, film: Path) -> None:
        async with replicas(film) as made:
            made.script("on_frames", raising(CaptioningFailed("Send other frames.")), nothing)
            assert (await made.tag()).failure.reason == "CAPTIONING_FAILED"

    async def test_a_replica_that_is_alone_is_tried_again_once_it_is_back(self, film: Path) -> None:
        async with replicas(film, captioners=1) as made:
            made.script("on_frames", once(made.captioner_lines[0].cut), nothing)
            assert (await made.tag()).result.attempts.captioner == 2

    async def test_text_that_was_shown_is_not_shown_twice_when_the_next_replica_says_the_same(self, film: Path) -> None:
        async with replicas(film) as made:
            self._lose_text(made, ["4 frames of a quiet forest."] * 2)
            outcome = await made.tag(WITH_TEXT)
            pieces = [event.text_delta for event in outcome.events if event.HasField("text_delta")]
            assert [(piece.text, piece.restarts) for piece in pieces] == [
                ("4 frames of ", False),
                ("a quiet forest.", False),
            ]

    async def test_text_that_the_next_replica_words_otherwise_begins_anew_and_says_so(self, film: Path) -> None:
        async with replicas(film) as made:
            self._lose_text(made, ["A dark wood.", "4 frames of a quiet forest."])
            outcome = await made.tag(WITH_TEXT)
            pieces = [event.text_delta for event in outcome.events if event.HasField("text_delta")]
            assert [(piece.text, piece.restarts) for piece in pieces] == [
                ("A dark ", False),
                ("4 frames of ", True),
                ("a quiet forest.", False),
            ]
            assert text_of(outcome) == outcome.result.summary.text

    @staticmethod
    def _lose_text(made: Replicas, texts: list[str]) -> None:
        """The first attempt at a text breaks off after its first piece; each says one of these texts."""
        rest = list(texts)

        async def cut() -> None:
            while not made.heard.events[-1].HasField("text_delta"):  # noqa: ASYNC110  # until the caller has heard it
                await asyncio.sleep(0.01)
            for line in made.captioner_lines:
                line.cut()
            await asyncio.Event().wait()

        async def begin() -> None:
            text = rest.pop(0)
            middle = len(text) - len(text.split(" ", 3)[-1]) if text.startswith("4") else len("A dark ")
            for captioner in made.captioners:
                captioner.pieces = [text[:middle], text[middle:]]
                captioner.on_second_piece = cut if rest else nothing

        made.script("on_frames", begin)


class TestFrozen:
    """What no longer speaks, and cannot say so: stopped processes, half-open connections."""

    async def test_a_replica_that_does_not_take_a_call_on_is_passed_over_until_it_is_found_out(
        self, film: Path
    ) -> None:
        async with replicas(film, captioners=3, **IMPATIENT) as made:
            made.captioner_lines[0].go_silent()
            began = time.monotonic()
            outcomes = await asyncio.gather(*(made.tag() for _ in range(9)))
            assert {outcome.result.summary.text for outcome in outcomes} == {"4 frames of a quiet forest."}
            assert time.monotonic() - began < 20
            assert max(outcome.result.attempts.captioner for outcome in outcomes) >= 2
            # Its connection is left before long, and then nobody tries it any more.
            async with asyncio.timeout(30):
                while [(await made.tag()).result.attempts.captioner for _ in range(3)] != [1, 1, 1]:
                    pass

    async def test_a_replica_that_does_not_take_a_call_on_is_left_long_before_its_connection_is(
        self, film: Path
    ) -> None:
        async with replicas(film, answer_seconds=1, keepalive_seconds=60) as made:
            made.captioner_lines[0].go_silent()
            began = time.monotonic()
            attempts = [(await made.tag()).result.attempts.captioner for _ in range(2)]
            assert max(attempts) == 2
            assert time.monotonic() - began < 20

    @pytest.mark.parametrize("where", ["on_model", "on_check"])
    async def test_what_a_replica_does_not_answer_in_time_is_asked_of_another(
        self, where: str, film: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(clients, "_MODEL_SECONDS", 0.0)  # else it is not asked again
        async with replicas(film, captioners=3, answer_seconds=1, keepalive_seconds=60) as made:
            made.script(where, once(lambda: None), nothing)
            began = time.monotonic()
            assert (await made.tag(WITH_PROMPT)).result
            assert 1 <= time.monotonic() - began < 20

    async def test_a_replica_that_freezes_over_its_work_is_left(self, film: Path) -> None:
        async with replicas(film, **IMPATIENT) as made:

            def freeze() -> None:
                busy = [number for number, one in enumerate(made.captioners) if one.describing.is_set()]
                for number in busy:
                    made.captioner_lines[number].go_silent()

            for captioner in made.captioners:
                captioner.describing.clear()
            made.script("on_frames", once(freeze), nothing)
            began = time.monotonic()
            outcome = await made.tag()
            assert outcome.result.attempts.captioner >= 2
            assert time.monotonic() - began < 20

    async def test_a_classifier_that_freezes_does_not_use_up_the_callers_time(self, film: Path) -> None:
        async with replicas(film, captioners=1, classifiers=2, **IMPATIENT) as made:
            made.classifier_lines[0].go_silent()
            began = time.monotonic()
            outcomes = await asyncio.gather(*(made.tag() for _ in range(4)))
            assert all(outcome.result.classification.tags for outcome in outcomes)
            assert time.monotonic() - began < 20

    async def test_where_all_are_frozen_the_caller_is_told_long_before_its_deadline(self, film: Path) -> None:
        async with replicas(film, captioners=1, upstream_attempts=2, **IMPATIENT) as made:
            made.classifier_lines[0].go_silent()
            began = time.monotonic()
            assert (await made.tag()).failure.reason == "UPSTREAM_UNAVAILABLE"
            assert time.monotonic() - began < 20
