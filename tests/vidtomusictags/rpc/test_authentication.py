"""Who may call what, by tokens of a file and by certificates; refused before anything is read."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from callers import write_callers
from certificates import Authority
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from log_lines import LogLines
from pydantic import ValidationError
from scripted_server import NAME, Hosted, failure_of, hosting
from stubs import health_stub, reflection_stub

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc
from vidtomusictags.rpc import caller_file, layers
from vidtomusictags.rpc.failures import Failure
from vidtomusictags.rpc.settings import HostSettings

CLIP = pb.CaptionClipRequest()
PAST, FUTURE = "2020-01-01T00:00:00Z", "2120-01-01T00:00:00Z"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_callers(
        tmp_path / "callers.toml",
        website={"token": "right", "permissions": ["caption"], "expires": FUTURE},
        monitor={"token": "reader", "permissions": ["model"]},
        gone={"token": "old", "permissions": ["caption"], "expires": PAST},
        gateway={"token": "trusted", "permissions": ["caption", "model", "on_behalf_of"]},
    )


@pytest.fixture
async def guarded(file: Path) -> AsyncIterator[Hosted]:
    """A server that wants tokens."""
    async with hosting(tokens_file=file) as hosted:
        yield hosted


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


async def refused(call: Any) -> Failure:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return failure_of(caught.value)


WRONG = {
    "none": ((), "UNAUTHENTICATED", "CREDENTIAL_MISSING"),
    "unknown": (bearer("wrong"), "UNAUTHENTICATED", "CREDENTIAL_INVALID"),
    "almost right": (bearer("right "), "UNAUTHENTICATED", "CREDENTIAL_INVALID"),
    "empty": ((("authorization", "Bearer "),), "UNAUTHENTICATED", "CREDENTIAL_INVALID"),
    "no bearer": ((("authorization", "Basic cmlnaHQ="),), "UNAUTHENTICATED", "CREDENTIAL_INVALID"),
    "bare": ((("authorization", "right"),), "UNAUTHENTICATED", "CREDENTIAL_INVALID"),
    "two": ((*bearer("right"), *bearer("right")), "UNAUTHENTICATED", "CREDENTIAL_INVALID"),
    "a false signed one": (bearer("a.b.c"), "UNAUTHENTICATED", "CREDENTIAL_INVALID"),
    "expired": (bearer("old"), "UNAUTHENTICATED", "CREDENTIAL_EXPIRED"),
    "without permission": (bearer("reader"), "PERMISSION_DENIED", "PERMISSION_MISSING"),
}


class TestTokens:
    async def test_a_caller_with_its_token_is_let_in_and_named_in_the_log(
        self, guarded: Hosted, logs: LogLines
    ) -> None:
        await guarded.stub.CaptionClip(CLIP, metadata=bearer("right"))
        await guarded.stub.CaptionClip(CLIP, metadata=(("authorization", "bearer right"),))
        await guarded.stub.GetModel(pb.GetModelRequest(), metadata=bearer("reader"))
        lines = await logs.wait_for("answered", count=3)
        assert [line["caller"] for line in lines] == ["website", "website", "monitor"]

    @pytest.mark.parametrize(("metadata", "code", "reason"), WRONG.values(), ids=WRONG.keys())
    async def test_any_other_credential_is_refused_with_a_reason(
        self, metadata: Any, code: str, reason: str, guarded: Hosted, logs: LogLines
    ) -> None:
        failure = await refused(guarded.stub.CaptionClip(CLIP, metadata=metadata))
        assert (failure.code, failure.reason) == (code, reason)
        assert not guarded.script.begun.is_set()
        await logs.wait_for("answered", reason=reason)
        for secret in ("wrong", "right", "reader", "cmlnaHQ"):
            assert secret not in logs.text.replace('"website"', "")

    async def test_wrong_and_almost_right_are_told_alike(self, guarded: Hosted) -> None:
        told = {
            (await refused(guarded.stub.CaptionClip(CLIP, metadata=bearer(token)))).message
            for token in ("wrong", "righ", "right.", "x" * 4000, "a.b.c")
        }
        assert len(told) == 1

    async def test_a_token_is_compared_with_every_other_in_constant_time(
        self, guarded: Hosted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compared = []
        real = hmac.compare_digest
        monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(a) or real(a, b))
        await guarded.stub.CaptionClip(CLIP, metadata=bearer("right"))  # the first in the file
        assert len(compared) == 4

    async def test_a_method_that_nobody_was_given_is_for_nobody(self, file: Path, tmp_path: Path) -> None:
        async with hosting(tokens_file=file, permissions={"GetModel": "model"}) as hosted:
            failure = await refused(hosted.stub.CaptionClip(CLIP, metadata=bearer("trusted")))
            assert failure.reason == "PERMISSION_MISSING"
            assert failure.details == {}

    async def test_a_caller_without_permission_is_told_which_it_needs(self, guarded: Hosted) -> None:
        failure = await refused(guarded.stub.CaptionClip(CLIP, metadata=bearer("reader")))
        assert failure.details == {"permission": "caption"}
        assert "`caption`" in failure.message


class TestBeforeAnythingIsRead:
    """The caller never sends a message, or one that cannot be read: who had to read it first could not refuse it."""

    @pytest.mark.parametrize("method", ["Caption", "CaptionClip", "GetModel"])
    @pytest.mark.parametrize("metadata", [(), bearer("wrong"), bearer("old")], ids=["none", "wrong", "expired"])
    async def test_a_call_is_refused_that_sends_nothing(self, method: str, metadata: Any, guarded: Hosted) -> None:
        call = guarded.channel.stream_stream(f"/{NAME}/{method}")(metadata=metadata)
        async with asyncio.timeout(10):
            assert await call.code() is grpc.StatusCode.UNAUTHENTICATED

    @pytest.mark.parametrize("method", ["Caption", "CaptionClip"])
    async def test_a_message_without_sense_is_not_looked_at(self, method: str, guarded: Hosted) -> None:
        call = guarded.channel.stream_stream(f"/{NAME}/{method}")(iter([b"\xff" * 100]), metadata=bearer("wrong"))
        assert await call.code() is grpc.StatusCode.UNAUTHENTICATED

    async def test_a_call_without_permission_is_refused_that_sends_nothing(self, guarded: Hosted) -> None:
        call = guarded.channel.stream_stream(f"/{NAME}/CaptionClip")(metadata=bearer("reader"))
        async with asyncio.timeout(10):
            assert await call.code() is grpc.StatusCode.PERMISSION_DENIED

    async def test_a_known_caller_that_sends_nothing_holds_its_slot_for_a_while_only(
        self, guarded: Hosted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(layers, "_REQUEST_SECONDS", 0.2)
        call = guarded.channel.stream_stream(f"/{NAME}/CaptionClip")(metadata=bearer("right"))
        async with asyncio.timeout(10):
            assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED

    async def test_a_call_of_a_known_caller_that_ends_without_its_request_is_told_so(self, guarded: Hosted) -> None:
        call = guarded.channel.stream_stream(f"/{NAME}/CaptionClip")(iter([]), metadata=bearer("right"))
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT


class TestWhatIsOpen:
    async def test_health_asks_nobody(self, guarded: Hosted) -> None:
        reply = await health_stub(guarded.channel).Check(health_pb2.HealthCheckRequest(service="readiness"))
        assert reply.status == health_pb2.HealthCheckResponse.SERVING

    async def test_reflection_is_for_whoever_is_known(self, guarded: Hosted) -> None:
        async def services(metadata: Any) -> int:
            asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
            async for reply in reflection_stub(guarded.channel).ServerReflectionInfo(asked, metadata=metadata):
                return len(reply.list_services_response.service)
            return 0

        assert await services(bearer("reader")) == 3
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await services(())
        assert failure_of(caught.value).reason == "CREDENTIAL_MISSING"

    async def test_without_settings_everybody_is_let_in_and_known_by_address(
        self, hosted: Hosted, logs: LogLines
    ) -> None:
        await hosted.stub.CaptionClip(CLIP, metadata=bearer("whatever"))
        (line,) = await logs.wait_for("answered")
        assert line["caller"] == "address:127.0.0.1"


class TestChanges:
    async def test_callers_come_and_go_with_the_file(self, guarded: Hosted, file: Path) -> None:
        write_callers(file, shop={"token": "new", "permissions": ["caption"]})
        await guarded.stub.CaptionClip(CLIP, metadata=bearer("new"))
        assert (await refused(guarded.stub.CaptionClip(CLIP, metadata=bearer("right")))).reason == "CREDENTIAL_INVALID"

    async def test_a_token_is_exchanged_while_both_are_good(self, guarded: Hosted, file: Path) -> None:
        from hashlib import sha256

        both = [sha256(token.encode()).hexdigest() for token in ("right", "next")]
        write_callers(file, website={"token_sha256": both, "permissions": ["caption"]})
        for token in ("right", "next"):
            await guarded.stub.CaptionClip(CLIP, metadata=bearer(token))

    @pytest.mark.parametrize("content", ["[callers.web", "", "[callers.a]\npermissions = []\n", None])
    async def test_a_file_with_faults_leaves_the_old_callers(
        self, content: str | None, guarded: Hosted, file: Path, logs: LogLines
    ) -> None:
        await asyncio.to_thread(file.unlink if content is None else lambda: file.write_text(str(content)))
        for _ in range(2):
            await guarded.stub.CaptionClip(CLIP, metadata=bearer("right"))
        assert len(logs.of("old file kept", what="callers")) == 1

    async def test_a_caller_expires_while_the_server_runs(
        self, guarded: Hosted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Later(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return datetime(2121, 1, 1, tzinfo=tz)

        await guarded.stub.CaptionClip(CLIP, metadata=bearer("right"))
        monkeypatch.setattr(caller_file, "datetime", Later)
        assert (await refused(guarded.stub.CaptionClip(CLIP, metadata=bearer("right")))).reason == "CREDENTIAL_EXPIRED"


FAULTS = {
    "no toml": ("[callers", "no TOML"),
    "lists without end": ("callers = " + "[" * 100_000, "nested too deeply"),
    "no callers": ("", "callers: Field required"),
    "clear token": ('[callers.a]\ntoken = "hunter2"\npermissions = ["tag"]', "callers.a.token: Extra inputs"),
    "short digest": ('[callers.a]\ntoken_sha256 = "hunter2"\npermissions = ["tag"]', "callers.a.token_sha256.0"),
    "no permission": ("[callers.a]\npermissions = []", "callers.a.permissions"),
    "odd name": ('[callers."a b"]\npermissions = ["tag"]', "callers.a b"),
    "date without zone": ('[callers.a]\npermissions = ["tag"]\nexpires = 2027-01-01T00:00:00', "timezone"),
    "shared": (
        f'[callers.a]\npermissions = ["tag"]\ntoken_sha256 = "{"0" * 64}"\n'
        f'[callers.b]\npermissions = ["tag"]\ntoken_sha256 = "{"0" * 64}"',
        "the same token stands there twice",
    ),
}


class TestFile:
    @pytest.mark.parametrize(("content", "told"), FAULTS.values(), ids=FAULTS.keys())
    def test_its_faults_stop_the_start_and_show_no_secret(self, content: str, told: str, tmp_path: Path) -> None:
        path = tmp_path / "callers.toml"
        path.write_text(content)
        with pytest.raises(ValidationError) as caught:
            HostSettings(tokens_file=path)
        assert told in str(caught.value)
        assert "hunter2" not in str(caught.value)


@asynccontextmanager
async def mutual(authority: Authority, **settings: Any) -> AsyncIterator[Hosted]:
    server = authority.issue("127.0.0.1")
    async with hosting(
        tls_certificate=server.certificate, tls_key=server.key, tls_client_ca=authority.file, **settings
    ) as hosted:
        yield hosted


@asynccontextmanager
async def showing(hosted: Hosted, authority: Authority, *names: str, **more: Any) -> AsyncIterator[Any]:
    """A stub whose channel shows a certificate for these names."""
    credentials = authority.channel_credentials(authority.issue(*names, name="client", **more))
    async with grpc.aio.secure_channel(hosted.address, credentials) as channel:
        yield captioner_pb2_grpc.CaptionerServiceStub(channel)


class TestCertificates:
    async def test_a_certificate_is_enough_where_no_callers_are_listed(self, tmp_path: Path, logs: LogLines) -> None:
        authority = Authority(tmp_path)
        async with mutual(authority) as hosted, showing(hosted, authority, "gateway.test") as stub:
            await stub.CaptionClip(CLIP)
            (line,) = await logs.wait_for("answered")
            assert line["caller"] == "certificate:gateway.test"

    async def test_a_listed_certificate_may_do_what_its_entry_says(self, tmp_path: Path, logs: LogLines) -> None:
        authority = Authority(tmp_path / "authority")
        file = write_callers(
            tmp_path / "callers.toml", monitor={"certificates": ["monitor.test"], "permissions": ["model"]}
        )
        async with mutual(authority, tokens_file=file) as hosted:
            async with showing(hosted, authority, "other.test", "monitor.test") as stub:
                await stub.GetModel(pb.GetModelRequest())
                assert (await refused(stub.CaptionClip(CLIP))).reason == "PERMISSION_MISSING"
            assert (await logs.wait_for("answered"))[0]["caller"] == "monitor"
            async with showing(hosted, authority, "nobody.test", common_name="monitor.test") as stub:
                assert (await refused(stub.GetModel(pb.GetModelRequest()))).reason == "CREDENTIAL_MISSING"

    async def test_a_wrong_token_is_not_made_good_by_a_certificate(self, tmp_path: Path, file: Path) -> None:
        authority = Authority(tmp_path / "authority")
        file = write_callers(
            tmp_path / "callers.toml", monitor={"certificates": ["monitor.test"], "permissions": ["model"]}
        )
        async with mutual(authority, tokens_file=file) as hosted, showing(hosted, authority, "monitor.test") as stub:
            failure = await refused(stub.GetModel(pb.GetModelRequest(), metadata=bearer("wrong")))
            assert failure.reason == "CREDENTIAL_INVALID"


class TestOnBehalf:
    FOR = (("vidtomusictags-caller", "website"),)

    async def test_a_trusted_service_names_whom_it_works_for(self, guarded: Hosted, logs: LogLines) -> None:
        await guarded.stub.CaptionClip(CLIP, metadata=(*bearer("trusted"), *self.FOR))
        assert (await logs.wait_for("answered"))[0]["caller"] == "gateway for website"

    async def test_nobody_else_is_heard(self, guarded: Hosted, logs: LogLines, tmp_path: Path) -> None:
        await guarded.stub.CaptionClip(CLIP, metadata=(*bearer("right"), *self.FOR))
        assert (await logs.wait_for("answered"))[0]["caller"] == "website"
        authority = Authority(tmp_path / "authority")
        async with mutual(authority) as hosted, showing(hosted, authority, "gateway.test") as stub:
            await stub.CaptionClip(CLIP, metadata=self.FOR)
        assert (await logs.wait_for("answered", count=2))[1]["caller"] == "certificate:gateway.test"

    async def test_a_name_that_could_not_stand_in_a_log_line_is_refused(self, guarded: Hosted) -> None:
        metadata = (*bearer("trusted"), ("vidtomusictags-caller", "x" * 321))
        assert (await refused(guarded.stub.CaptionClip(CLIP, metadata=metadata))).reason == "INVALID_REQUEST"
