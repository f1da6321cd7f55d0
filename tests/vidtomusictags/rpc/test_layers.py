"""What surrounds every call: failures told, one line in the log, a deadline, a slot."""

from __future__ import annotations

import asyncio
import gc
import re
import weakref

import grpc
import pytest
from log_lines import LogLines
from scripted_server import NAME, Hosted, failure_of, hosting, raising

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.failures import Failure, InvalidRequest, QueueFull, UnknownTaxonomy


def clip(request_id: str = "") -> pb.CaptionClipRequest:
    return pb.CaptionClipRequest(config=pb.CaptionConfig(request_id=request_id))


async def failing(call: object) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call  # type: ignore[misc]
    return caught.value


class TestFailures:
    async def test_a_failure_reaches_the_caller_with_its_code_reason_and_field(self, hosted: Hosted) -> None:
        hosted.script.on_clip = raising(InvalidRequest("Say more.", field="config.window"))
        error = await failing(hosted.stub.CaptionClip(clip()))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert error.details() == "Say more."
        failure = failure_of(error)
        assert (type(failure), failure.field) == (InvalidRequest, "config.window")

    async def test_a_retry_that_helps_is_told_in_the_trailing_metadata(self, hosted: Hosted) -> None:
        hosted.script.on_clip = raising(QueueFull("Wait.", retry_after_seconds=0.25))
        error = await failing(hosted.stub.CaptionClip(clip()))
        assert dict(error.trailing_metadata() or ())["grpc-retry-pushback-ms"] == "250"
        assert failure_of(error).retry_after_seconds == 0.25

    async def test_a_message_beyond_the_metadata_limit_still_arrives_with_its_reason(self, hosted: Hosted) -> None:
        hosted.script.on_clip = raising(UnknownTaxonomy("€" * 50_000, field="taxonomy_id"))
        error = await failing(hosted.stub.CaptionClip(clip()))
        assert error.code() is grpc.StatusCode.NOT_FOUND
        assert failure_of(error).reason == "TAXONOMY_UNKNOWN"

    async def test_the_text_of_any_other_exception_stays_in_the_log(self, hosted: Hosted, logs: LogLines) -> None:
        hosted.script.on_clip = raising(RuntimeError("password is hunter2"))
        error = await failing(hosted.stub.CaptionClip(clip()))
        failure = failure_of(error)
        assert (type(failure), failure.reason) == (Failure, "INTERNAL")
        assert "hunter2" not in str(error) + repr(error.trailing_metadata()) + str(failure.details)
        (line,) = logs.of("failed")
        assert line["error_id"] == failure.details["error_id"]
        assert line["error_id"] in failure.message
        assert "hunter2" in line["exception"]


class TestLogLine:
    async def test_a_call_leaves_one_line_with_what_finds_it_again(self, hosted: Hosted, logs: LogLines) -> None:
        await hosted.stub.CaptionClip(clip("req-1"))
        (line,) = await logs.wait_for("answered")
        assert line["method"] == f"/{NAME}/CaptionClip"
        assert line["code"] == "OK"
        assert line["request_id"] == "req-1"
        assert line["seconds"] >= 0
        assert "reason" not in line

    async def test_a_refused_call_is_logged_with_its_reason(self, hosted: Hosted, logs: LogLines) -> None:
        hosted.script.on_clip = raising(UnknownTaxonomy("There is none."))
        await failing(hosted.stub.CaptionClip(clip("req-2")))
        (line,) = await logs.wait_for("answered")
        assert (line["code"], line["reason"], line["request_id"]) == ("NOT_FOUND", "TAXONOMY_UNKNOWN", "req-2")

    async def test_a_call_without_a_request_id_is_given_one(self, hosted: Hosted, logs: LogLines) -> None:
        reply = await hosted.stub.CaptionClip(clip())
        assert re.fullmatch(r"[0-9a-f-]{36}", reply.request_id)
        assert await logs.wait_for("answered", request_id=reply.request_id)

    @pytest.mark.parametrize("request_id", ["a b", "ä", "x" * 129, 'a\n{"event":"forged"}'])
    async def test_a_request_id_that_could_not_stand_in_a_log_line_is_refused(
        self, request_id: str, hosted: Hosted, logs: LogLines
    ) -> None:
        failure = failure_of(await failing(hosted.stub.CaptionClip(clip(request_id))))
        assert (failure.reason, failure.field) == ("INVALID_REQUEST", "request_id")
        assert "request_id" not in (await logs.wait_for("answered"))[0]

    async def test_calls_that_overlap_keep_their_own_ids(self, hosted: Hosted, logs: LogLines) -> None:
        names = [f"overlap-{number}" for number in range(20)]
        await asyncio.gather(*(hosted.stub.CaptionClip(clip(name)) for name in names))
        lines = await logs.wait_for("answered", count=20)
        assert sorted(line["request_id"] for line in lines) == sorted(names)

    async def test_neither_frames_nor_prompts_are_logged(self, hosted: Hosted, logs: LogLines) -> None:
        config = pb.CaptionConfig(prompt=pb.Prompt(text="secret-prompt"))
        frames = [media_pb2.Frame(data=b"secret-frame")]
        await hosted.stub.CaptionClip(pb.CaptionClipRequest(config=config, frames=frames))
        await logs.wait_for("answered")
        assert "secret" not in logs.text

    async def test_a_cancelled_call_is_logged_as_such_and_under_its_id(self, hosted: Hosted, logs: LogLines) -> None:
        hosted.script.on_clip = asyncio.Event().wait  # type: ignore[assignment]
        call = hosted.stub.CaptionClip(clip("gone"))
        await hosted.script.begun.wait()
        call.cancel()
        (line,) = await logs.wait_for("answered")
        assert (line["code"], line["request_id"]) == ("CANCELLED", "gone")


class TestDeadline:
    async def test_a_call_without_a_deadline_ends_at_the_services_maximum(self) -> None:
        async with hosting(max_call_seconds=0.05) as hosted:
            hosted.script.on_clip = asyncio.Event().wait  # type: ignore[assignment]
            failure = failure_of(await failing(hosted.stub.CaptionClip(clip())))
            assert failure.reason == "DEADLINE_EXCEEDED"
            assert "allow more time or send less" in failure.message

    async def test_a_longer_deadline_is_held_to_the_services_maximum(self) -> None:
        async with hosting(max_call_seconds=0.05) as hosted:
            hosted.script.on_clip = asyncio.Event().wait  # type: ignore[assignment]
            failure = failure_of(await failing(hosted.stub.CaptionClip(clip(), timeout=30)))
            assert failure.reason == "DEADLINE_EXCEEDED"

    async def test_the_callers_own_deadline_ends_the_work(self, hosted: Hosted, logs: LogLines) -> None:
        hosted.script.on_clip = asyncio.Event().wait  # type: ignore[assignment]
        error = await failing(hosted.stub.CaptionClip(clip(), timeout=1.0))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await logs.wait_for("answered")
        assert hosted.script.ended == 1


@pytest.mark.parametrize("kind", [InvalidRequest, RuntimeError])
async def test_what_the_frames_of_a_failure_held_is_gone_with_the_call_and_waits_for_no_collector(
    kind: type[Exception], hosted: Hosted
) -> None:
    class Picture:
        """Something large."""

    seen: list[weakref.ref[Picture]] = []

    def decode() -> None:
        picture = Picture()
        seen.append(weakref.ref(picture))
        raise ValueError("half a picture")

    async def fail() -> None:
        try:
            decode()
        except ValueError as error:
            raise kind("The frame cannot be read.") from error

    hosted.script.on_clip = fail  # type: ignore[assignment]
    gc.disable()
    try:
        with pytest.raises(grpc.aio.AioRpcError):
            await hosted.stub.CaptionClip(pb.CaptionClipRequest(), timeout=20)
        assert [picture() for picture in seen] == [None]
    finally:
        gc.enable()
