"""What a client shows: certificates and tokens from files, exchanged while calls run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from certificates import Authority
from scripted_server import NAME, Hosted, hosting

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc
from vidtomusictags.rpc.channels import stream_channel
from vidtomusictags.rpc.credentials import Credentials
from vidtomusictags.rpc.proof import Proof

CLIP = pb.CaptionClipRequest()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("first\n")
    return path


@asynccontextmanager
async def mutual(authority: Authority, **settings: Any) -> AsyncIterator[Hosted]:
    """A server that wants certificates of the authority."""
    server = authority.issue("127.0.0.1")
    async with hosting(
        tls_certificate=server.certificate, tls_key=server.key, tls_client_ca=authority.file, **settings
    ) as hosted:
        yield hosted


def proof_of(authority: Authority, name: str, **more: Any) -> Proof:
    """Of a client with a new certificate for `name`, always in the same files."""
    files = authority.issue(name, name="client")
    return Proof(Credentials(ca=authority.file, certificate=files.certificate, key=files.key, **more))


def stub_of(channel: grpc.aio.Channel) -> Any:
    return captioner_pb2_grpc.CaptionerServiceStub(channel)


async def test_a_channel_shows_its_certificate_and_knows_its_server(authority: Authority) -> None:
    proof = proof_of(authority, "a.test")
    async with mutual(authority) as hosted, stream_channel(hosted.address, NAME, proof) as channel:
        await stub_of(channel).CaptionClip(CLIP, timeout=10)
        assert hosted.script.certificates == ["a.test"]


async def test_a_new_certificate_is_shown_by_the_next_call_while_running_ones_go_on(authority: Authority) -> None:
    async with mutual(authority) as hosted:
        release = asyncio.Event()
        hosted.script.on_clip = release.wait  # type: ignore[assignment]
        async with stream_channel(hosted.address, NAME, proof_of(authority, "a.test")) as channel:
            running = stub_of(channel).CaptionClip(CLIP, timeout=30)
            await hosted.script.begun.wait()
            authority.issue("b.test", name="client")
            hosted.script.begun.clear()
            late = stub_of(channel).CaptionClip(CLIP, timeout=30)
            await hosted.script.begun.wait()
            release.set()
            await asyncio.gather(running, late)
            assert hosted.script.certificates == ["a.test", "b.test"]


async def test_a_connection_with_an_old_certificate_is_closed_after_its_last_call(authority: Authority) -> None:
    async with mutual(authority) as hosted:
        release = asyncio.Event()
        hosted.script.on_clip = release.wait  # type: ignore[assignment]
        async with stream_channel(hosted.address, NAME, proof_of(authority, "a.test")) as channel:
            old = channel._connection  # type: ignore[attr-defined]
            running = stub_of(channel).CaptionClip(CLIP, timeout=30)
            await hosted.script.begun.wait()
            authority.issue("b.test", name="client")
            late = stub_of(channel).CaptionClip(CLIP, timeout=30)
            assert old.closing is None
            over = asyncio.Event()
            running.add_done_callback(lambda _: over.set())  # after the channel's own
            release.set()
            await asyncio.gather(running, late, over.wait())
            await old.closing
            assert old.channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN


async def test_no_call_fails_while_both_sides_exchange_their_certificates_under_load(authority: Authority) -> None:
    async with mutual(authority) as hosted:
        over, seen, wanted = asyncio.Event(), asyncio.Event(), "0.test"

        async def look() -> None:
            if hosted.script.certificates[-1] == wanted:
                seen.set()

        hosted.script.on_clip = look
        async with stream_channel(hosted.address, NAME, proof_of(authority, wanted)) as channel:

            async def keep_calling() -> int:
                calls = 0
                while not over.is_set():
                    await stub_of(channel).CaptionClip(CLIP, timeout=30)
                    calls += 1
                return calls

            callers = [asyncio.create_task(keep_calling()) for _ in range(4)]
            for wanted in ("1.test", "2.test", "3.test", "4.test"):
                seen.clear()
                authority.issue("127.0.0.1")
                authority.issue(wanted, name="client")
                async with asyncio.timeout(20):
                    await seen.wait()
            over.set()
            assert min(await asyncio.gather(*callers)) > 0


async def test_a_certificate_without_its_key_is_not_shown_and_the_old_one_is(authority: Authority) -> None:
    faults: list[str] = []
    async with mutual(authority) as hosted:
        files = authority.issue("a.test", name="client")
        proof = Proof(
            Credentials(ca=authority.file, certificate=files.certificate, key=files.key), on_fault=faults.append
        )
        async with stream_channel(hosted.address, NAME, proof) as channel:
            files.certificate.write_bytes(authority.issue("b.test", name="other").certificate.read_bytes())
            for _ in range(2):
                await stub_of(channel).CaptionClip(CLIP, timeout=10)
            assert hosted.script.certificates == ["a.test", "a.test"]
            assert faults == ["the key does not belong to the certificate"]


async def test_a_token_is_shown_by_every_call_and_read_anew(hosted: Hosted, token_file: Path) -> None:
    write = partial(asyncio.to_thread, token_file.write_text)
    async with stream_channel(hosted.address, NAME, Proof(Credentials(token_file=token_file))) as channel:
        stub = stub_of(channel)
        await stub.CaptionClip(CLIP, timeout=10)
        await write("the second")  # with a space: no token
        await stub.CaptionClip(CLIP, timeout=10)
        await write("third\n")
        await stub.CaptionClip(CLIP, timeout=10, metadata=(("x-own", "1"),))
    assert hosted.script.tokens == ["Bearer first", "Bearer first", "Bearer third"]


@pytest.mark.parametrize("target", ["captioner:50051", "dns:///captioner:50051", "10.0.0.1:1"])
async def test_a_token_is_not_shown_to_the_network(target: str, token_file: Path) -> None:
    with pytest.raises(ValueError, match="refusing to speak plaintext") as caught:
        stream_channel(target, NAME, Proof(Credentials(token_file=token_file)))
    assert "first" not in str(caught.value)
    async with stream_channel(target, NAME, Proof(Credentials(token_file=token_file, insecure=True))):
        pass
    async with stream_channel(target, NAME, Proof(Credentials(token_file=token_file, tls=True))):
        pass


@pytest.mark.parametrize("content", ["", " \n", "two words", "one\ntwo", "ünicode", "x" * 4097])
def test_a_file_without_a_token_is_refused(content: str, token_file: Path) -> None:
    token_file.write_text(content)
    with pytest.raises(ValueError, match="no token in the file"):
        Proof(Credentials(token_file=token_file))
