"""Listening in TLS: certificates of both sides, exchanged while calls run."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from certificates import Authority, Files
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from log_lines import LogLines
from pydantic import ValidationError
from scripted_server import Hosted, hosting

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc
from vidtomusictags.rpc import doors, server
from vidtomusictags.rpc.doors import Certificates
from vidtomusictags.rpc.reloading import Reloading
from vidtomusictags.rpc.settings import HostSettings

CLIP = pb.CaptionClipRequest()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def stub_of(channel: grpc.aio.Channel) -> Any:
    return captioner_pb2_grpc.CaptionerServiceStub(channel)


def serving(files: Files, **settings: Any) -> Any:
    return hosting(tls_certificate=files.certificate, tls_key=files.key, **settings)


async def code_of(hosted: Hosted, credentials: grpc.ChannelCredentials) -> grpc.StatusCode:
    """How a call ends over a connection of its own."""
    own = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.secure_channel(hosted.address, credentials, options=own) as channel:
        call = stub_of(channel).CaptionClip(CLIP, timeout=10)
        return await call.code()


async def shown_by(hosted: Hosted, authority: Authority) -> int:
    """The serial number of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cafile=str(authority.file))
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", hosted.host.port, ssl=context)
    certificate = writer.get_extra_info("ssl_object").getpeercert()
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return int(certificate["serialNumber"], 16)


class TestServer:
    async def test_a_client_that_knows_the_authority_is_served(self, authority: Authority) -> None:
        async with serving(authority.issue("127.0.0.1")) as hosted:
            assert await code_of(hosted, authority.channel_credentials()) is grpc.StatusCode.OK

    async def test_neither_plaintext_nor_another_authority_gets_through(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        async with serving(authority.issue("127.0.0.1")) as hosted:
            call = hosted.stub.CaptionClip(CLIP, timeout=10)  # its channel speaks plaintext
            assert await call.code() is grpc.StatusCode.UNAVAILABLE
            stranger = Authority(tmp_path / "stranger")
            assert await code_of(hosted, stranger.channel_credentials()) is grpc.StatusCode.UNAVAILABLE
            assert not hosted.script.begun.is_set()

    async def test_tls_may_listen_beyond_loopback(self, authority: Authority) -> None:
        async with serving(authority.issue("127.0.0.1"), listen="0.0.0.0:0") as hosted:
            assert await code_of(hosted, authority.channel_credentials()) is grpc.StatusCode.OK


class TestClientCertificates:
    async def test_only_clients_with_a_certificate_of_the_authority_get_through(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        stranger = Authority(tmp_path / "stranger").issue("gateway")
        expired = authority.issue("old", name="old", not_before=datetime(2020, 1, 1), not_after=datetime(2021, 1, 1))
        async with serving(authority.issue("127.0.0.1"), tls_client_ca=authority.file) as hosted:
            for shown in (None, stranger, expired):
                assert await code_of(hosted, authority.channel_credentials(shown)) is grpc.StatusCode.UNAVAILABLE
            assert not hosted.script.begun.is_set()
            known = authority.issue("gateway", name="gateway")
            assert await code_of(hosted, authority.channel_credentials(known)) is grpc.StatusCode.OK


class TestSilence:
    @pytest.mark.parametrize("tls", [False, True])
    async def test_a_connection_that_says_nothing_is_not_kept(
        self, tls: bool, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sooner = [(name, 300 if "handshake" in name else value) for name, value in server.OPTIONS]
        monkeypatch.setattr(server, "OPTIONS", sooner)
        async with serving(authority.issue("127.0.0.1")) if tls else hosting() as hosted, asyncio.timeout(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", hosted.host.port)
            await reader.read()  # until it is closed
            writer.close()


class TestRotation:
    async def test_new_connections_see_the_new_certificate_while_running_calls_go_on(
        self, authority: Authority
    ) -> None:
        async with serving(authority.issue("127.0.0.1")) as hosted:
            release = asyncio.Event()
            hosted.script.on_clip = release.wait  # type: ignore[assignment]
            async with grpc.aio.secure_channel(hosted.address, authority.channel_credentials()) as channel:
                running = stub_of(channel).CaptionClip(CLIP, timeout=30)
                await hosted.script.begun.wait()
                before = await shown_by(hosted, authority)
                authority.issue("127.0.0.1")
                after = await shown_by(hosted, authority)
                assert after != before
                release.set()
                assert await running.code() is grpc.StatusCode.OK

    async def test_no_call_of_a_steady_load_fails_while_certificates_are_exchanged(self, authority: Authority) -> None:
        async with serving(authority.issue("127.0.0.1")) as hosted:
            over = asyncio.Event()

            async def keep_calling() -> list[grpc.StatusCode]:
                codes = []
                while not over.is_set():
                    codes.append(await code_of(hosted, authority.channel_credentials()))
                return codes

            callers = [asyncio.create_task(keep_calling()) for _ in range(4)]
            seen = set()
            for _ in range(5):
                authority.issue("127.0.0.1")
                seen.add(await shown_by(hosted, authority))
            over.set()
            codes = [code for codes in await asyncio.gather(*callers) for code in codes]
            assert len(seen) == 5
            assert len(codes) >= 4
            assert set(codes) == {grpc.StatusCode.OK}

    def test_grpc_is_told_of_changes_alone_and_everybody_waits_while_it_makes_one(self, tmp_path: Path) -> None:
        file = tmp_path / "certificate"
        file.write_text("first")
        certificates = Certificates(Reloading([file], lambda: [file.read_text()], on_fault=pytest.fail).current)  # type: ignore[arg-type]
        assert certificates.shown == ["first"]
        assert certificates.changed() is None
        file.write_text("the second")
        told: list[tuple[object, float]] = []

        def connect() -> None:
            told.append((certificates.changed(), time.monotonic()))

        connections = [threading.Thread(target=connect) for _ in range(8)]
        for connection in connections:
            connection.start()
        for connection in connections:
            connection.join()
        (change, changed_at), *others = told
        assert change == ["the second"]
        assert {what for what, _ in others} == {None}
        assert min(at for _, at in others) - changed_at > 0.09

    def test_tickets_that_stand_for_a_client_certificate_are_forgotten_in_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "certificate"
        file.write_text("same")
        now = time.monotonic()
        monkeypatch.setattr(doors.time, "monotonic", lambda: now)
        monkeypatch.setattr(doors.time, "sleep", lambda seconds: None)
        certificates = Certificates(
            Reloading([file], file.read_text, on_fault=pytest.fail).current, lasting_seconds=300.0
        )  # type: ignore[arg-type]
        assert certificates.changed() is None
        now += 301.0
        assert [certificates.changed(), certificates.changed()] == ["same", None]

    @pytest.mark.parametrize("damage", ["half a certificate", "half a key", "another key", "no key", "expired"])
    async def test_a_pair_that_cannot_be_used_leaves_the_old_one_in_use_and_is_told_once(
        self, damage: str, authority: Authority, logs: LogLines
    ) -> None:
        files = authority.issue("127.0.0.1")
        async with serving(files) as hosted:
            before = await shown_by(hosted, authority)
            match damage:
                case "half a certificate":
                    files.certificate.write_bytes(files.certificate.read_bytes()[:400])
                case "half a key":
                    files.key.write_bytes(files.key.read_bytes()[:100])
                case "another key":
                    files.key.write_bytes(authority.issue("127.0.0.1", name="other").key.read_bytes())
                case "no key":
                    files.key.unlink()
                case "expired":
                    authority.issue("127.0.0.1", not_before=datetime(2020, 1, 1), not_after=datetime(2021, 1, 1))
            assert [await shown_by(hosted, authority) for _ in range(2)] == [before, before]
            assert len(logs.of("old file kept", what="certificate")) == 1
            authority.issue("127.0.0.1")
            assert await shown_by(hosted, authority) != before

    async def test_a_link_that_is_turned_as_kubernetes_does_with_secrets_is_noticed(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        link = tmp_path / "..data"
        for version in ("first", "second"):
            files = authority.issue("127.0.0.1", name=version)
            folder = tmp_path / version
            folder.mkdir()
            files.certificate.rename(folder / "tls.crt")
            files.key.rename(folder / "tls.key")
        link.symlink_to("first")
        async with serving(Files(link / "tls.crt", link / "tls.key")) as hosted:
            before = await shown_by(hosted, authority)
            turned = tmp_path / "..data_tmp"
            turned.symlink_to("second")
            turned.rename(link)
            assert await shown_by(hosted, authority) != before

    async def test_a_certificate_that_is_not_yet_followed_by_its_key_waits_for_it(self, authority: Authority) -> None:
        files = authority.issue("127.0.0.1")
        async with serving(files) as hosted:
            before = await shown_by(hosted, authority)
            other = authority.issue("127.0.0.1", name="other")
            files.certificate.write_bytes(other.certificate.read_bytes())
            assert await shown_by(hosted, authority) == before
            files.key.write_bytes(other.key.read_bytes())
            assert await shown_by(hosted, authority) != before


class TestSettings:
    def test_every_fault_of_the_files_is_told_at_once_without_what_is_in_them(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        (tmp_path / "secret").write_text("hunter2")
        files = authority.issue("127.0.0.1")
        with pytest.raises(ValidationError) as caught:
            HostSettings(
                tls_certificate=files.certificate, tls_key=tmp_path / "secret", tls_client_ca=tmp_path / "none"
            )
        assert {fault["loc"] for fault in caught.value.errors()} == {("tls_key",), ("tls_client_ca",)}
        assert "hunter2" not in str(caught.value)
        assert str(tmp_path) not in str(caught.value)

    @pytest.mark.parametrize(
        ("dates", "told"),
        [
            ({"not_before": datetime(2020, 1, 1), "not_after": datetime(2021, 1, 1)}, "has expired"),
            ({"not_before": datetime(2120, 1, 1), "not_after": datetime(2121, 1, 1)}, "is not valid yet"),
        ],
    )
    def test_a_certificate_that_is_out_of_date_stops_the_start(
        self, dates: dict[str, datetime], told: str, authority: Authority
    ) -> None:
        files = authority.issue("127.0.0.1", **dates)
        with pytest.raises(ValidationError, match=told):
            HostSettings(tls_certificate=files.certificate, tls_key=files.key)

    def test_a_certificate_that_no_client_takes_is_called_one(self, tmp_path: Path) -> None:
        key = ec.generate_private_key(ec.SECP256K1())  # a curve that TLS libraries do not speak
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "service")])
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        made = made.serial_number(1).not_valid_before(datetime(2020, 1, 1)).not_valid_after(datetime(2120, 1, 1))
        files = Files(tmp_path / "service.pem", tmp_path / "service.key")
        files.certificate.write_bytes(made.sign(key, SHA256()).public_bytes(Encoding.PEM))
        files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        with pytest.raises(ValidationError, match="no client could use the certificate"):
            HostSettings(tls_certificate=files.certificate, tls_key=files.key)

    def test_a_certificate_without_a_key_or_client_authorities_without_tls_stop_the_start(
        self, authority: Authority
    ) -> None:
        files = authority.issue("127.0.0.1")
        with pytest.raises(ValidationError, match="set both or neither"):
            HostSettings(tls_certificate=files.certificate)
        with pytest.raises(ValidationError, match="set both or neither"):
            HostSettings(tls_key=files.key)
        with pytest.raises(ValidationError, match="clients show certificates by TLS alone"):
            HostSettings(tls_client_ca=authority.file)
