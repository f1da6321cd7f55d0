"""A gateway between parts that all know each other by certificates and tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from callers import write_callers
from certificates import Authority
from fake_upstreams import FakeCaptioner, FakeClassifier
from log_lines import LogLines
from metrics_page import free_address, read
from pydantic import ValidationError

from gateway.app import running
from gateway.settings import GatewaySettings
from vidtomusictags import AsyncClient, Client, Credentials, Failure
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.file_metrics import CERTIFICATE_ENDS, RELOADS

TAGGING = "/vidtomusictags.gateway.v1.TaggingService"


@dataclass
class Secured:
    """The gateway, and what its operator exchanges."""

    gateway: Any
    film: Path
    exchange_certificates: Callable[[], None]
    exchange_gateway_token: Callable[[str], None]
    client: AsyncClient
    channel: grpc.aio.Channel


@pytest.fixture
def secured(tmp_path: Path, film: Path, gateway_with: Any) -> Callable[..., Any]:
    """Starts it; settings: of the gateway."""

    @asynccontextmanager
    async def start(**settings: Any) -> AsyncIterator[Secured]:
        authority = Authority(tmp_path / "authority")
        token_file, client_token = tmp_path / "gateway.token", tmp_path / "client.token"
        client_token.write_text("of-the-website")
        trusted = {"permissions": ["caption", "model", "classify", "on_behalf_of"]}
        upstream_callers = tmp_path / "upstreams.toml"

        def exchange_certificates() -> None:
            for name, identity in (("upstream", "127.0.0.1"), ("gateway", "127.0.0.1"), ("caller", "gateway.test")):
                authority.issue(identity, name=name)

        def exchange_gateway_token(token: str) -> None:
            token_file.write_text(token)

        exchange_certificates()
        write_callers(upstream_callers, gateway={"token": "of-the-gateway", **trusted})
        exchange_gateway_token("of-the-gateway")
        files = {name: authority.files(name) for name in ("upstream", "gateway", "caller")}
        hosted = {
            "tls_certificate": files["upstream"].certificate,
            "tls_key": files["upstream"].key,
            "tls_client_ca": authority.file,
            "tokens_file": upstream_callers,
        }
        own = {
            "tls_certificate": files["gateway"].certificate,
            "tls_key": files["gateway"].key,
            "tokens_file": write_callers(
                tmp_path / "callers.toml", website={"token": "of-the-website", "permissions": ["tag"]}
            ),
            "upstream_ca": authority.file,
            "upstream_certificate": files["caller"].certificate,
            "upstream_key": files["caller"].key,
            "upstream_token_file": token_file,
        }
        async with AsyncExitStack() as stack:
            gateway = await stack.enter_async_context(
                gateway_with(FakeCaptioner(), FakeClassifier(), tmp_path, hosted, **own | settings)
            )
            address = f"127.0.0.1:{gateway.port}"
            client = await stack.enter_async_context(
                AsyncClient(address, credentials=Credentials(ca=authority.file, token_file=client_token))
            )
            channel = await stack.enter_async_context(grpc.aio.secure_channel(address, authority.channel_credentials()))
            yield Secured(gateway, film, exchange_certificates, exchange_gateway_token, client, channel)

    return start


async def test_the_whole_way_is_secured_and_each_part_shows_its_own_credentials(
    secured: Callable[..., Any], logs: LogLines
) -> None:
    async with secured() as parts:
        tagged = await parts.client.tag(parts.film)
        assert [tag.label for tag in tagged.tags] == ["Nature"]
        (shown,) = parts.gateway.captioner.shown
        assert shown["authorization"] == "Bearer of-the-gateway"
        assert "of-the-website" not in str(shown)
        lines = [line for line in logs.of("answered") if "Caption" in line["method"] or "Classify" in line["method"]]
        assert {line["caller"] for line in lines} == {"gateway for website"}
        for secret in ("of-the-gateway", "of-the-website", "PRIVATE KEY"):
            assert secret not in logs.text


async def test_no_upload_fails_while_every_certificate_is_exchanged(secured: Callable[..., Any]) -> None:
    async with secured(max_calls=8) as parts:
        over = asyncio.Event()

        async def keep_tagging() -> int:
            done = 0
            while not over.is_set():
                assert (await parts.client.tag(parts.film)).tags
                done += 1
            return done

        taggers = [asyncio.create_task(keep_tagging()) for _ in range(2)]
        for _ in range(3):
            parts.gateway.captioner.describing.clear()
            await asyncio.to_thread(parts.exchange_certificates)
            async with asyncio.timeout(60):
                await parts.gateway.captioner.describing.wait()
        over.set()
        assert min(await asyncio.gather(*taggers)) > 0


async def test_an_upstream_that_refuses_the_gateway_does_not_speak_of_the_callers_credential(
    secured: Callable[..., Any], logs: LogLines
) -> None:
    async with secured() as parts:
        parts.exchange_gateway_token("revoked")
        with pytest.raises(Failure) as caught:
            await parts.client.tag(parts.film)
        assert (caught.value.code, caught.value.reason) == ("INTERNAL", "UPSTREAM_BROKEN")
        assert "credential" not in caught.value.message
        assert logs.of("upstream refused", reason="CREDENTIAL_INVALID")


@pytest.mark.parametrize("method", ["TagVideo", "TagUpload"])
async def test_a_caller_without_a_credential_is_refused_before_it_sends_anything(
    method: str, secured: Callable[..., Any]
) -> None:
    async with secured() as parts, asyncio.timeout(20):
        call = parts.channel.stream_stream(f"{TAGGING}/{method}")()
        assert await call.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("blocking", [True, False])
async def test_our_clients_hear_why_they_are_refused(
    blocking: bool, secured: Callable[..., Any], tmp_path: Path
) -> None:
    """Even where they send a stream: gRPC would tell those that write on that the call ended with INTERNAL."""
    async with secured() as parts:
        unknown = Credentials(ca=tmp_path / "authority" / "ca.pem")
        address = f"127.0.0.1:{parts.gateway.port}"

        def tag() -> None:
            with Client(address, credentials=unknown) as client:
                client.tag(parts.film)

        with pytest.raises(failures.CredentialMissing, match="authorization: Bearer"):
            if blocking:
                await asyncio.to_thread(tag)
            else:
                async with AsyncClient(address, credentials=unknown) as client:
                    await client.tag(parts.film)


async def test_metrics_tell_when_each_certificate_runs_out_and_that_new_ones_were_taken(
    secured: Callable[..., Any],
) -> None:
    metrics_at = free_address()
    async with secured(metrics_listen=metrics_at) as parts:
        await parts.client.tag(parts.film)
        parts.exchange_certificates()
        await parts.client.tag(parts.film)
        page = await read(metrics_at)
        ends = {use: page.value(CERTIFICATE_ENDS.name, use=use) for use in ("listener", "upstream")}
        assert ends == dict.fromkeys(ends, datetime(3000, 1, 1, tzinfo=UTC).timestamp())  # as trustme has them
        for what in ("certificate", "upstream credentials"):
            assert (page.value(RELOADS.name, what=what, outcome="ok") or 0) >= 1
            assert page.value(RELOADS.name, what=what, outcome="failed") is not None


async def test_bytes_of_uploads_are_counted_as_they_arrive(secured: Callable[..., Any], tmp_path: Path) -> None:
    junk = tmp_path / "junk.mp4"
    junk.write_bytes(b"x" * 700_000)
    async with secured(caller_bytes_a_minute=1 << 20, max_upload_bytes=1 << 20) as parts:
        with pytest.raises(failures.VideoUnreadable):
            await parts.client.tag(junk)
        with pytest.raises(failures.CallerLimited) as caught:
            await parts.client.tag(junk)
        assert caught.value.quota == "caller:website"
        assert caught.value.retry_after_seconds is not None
        assert parts.gateway.left_on_disk == []


def test_a_limit_below_the_largest_upload_stops_the_start() -> None:
    with pytest.raises(ValidationError, match="no caller could send the largest upload"):
        GatewaySettings(caller_bytes_a_minute=1000)


async def test_plaintext_to_upstreams_beyond_loopback_must_be_asked_for(tmp_path: Path) -> None:
    place = {"listen": "127.0.0.1:0", "spool_directory": tmp_path, "decode_workers": 1, "drain_announce_seconds": 0.0}
    with pytest.raises(ValueError, match="refusing to speak plaintext to dns:///captioner:50051"):
        async with running(GatewaySettings(captioner="dns:///captioner:50051", **place)):
            pass
    async with running(GatewaySettings(captioner="dns:///captioner:50051", insecure=True, **place)):
        pass
