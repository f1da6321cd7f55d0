"""What clients show the services that they call, and what they refuse to."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority

from vidtomusictags import AsyncClient, CaptionerClient, ClassifierClient, Client, Credentials
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.credentials import CredentialsUnusable

CLIP = "file:///clips/clip.mp4"
EVERY = (Client, CaptionerClient, ClassifierClient)


@pytest.fixture
def credentials(guarded: Any) -> Credentials:
    return Credentials(guarded.authority.file, guarded.client.certificate, guarded.client.key, guarded.token_file)


def test_every_blocking_client_shows_its_certificate_and_token(guarded: Any, credentials: Credentials) -> None:
    with Client(guarded.address, credentials=credentials) as client:
        client.tag(CLIP)
    with CaptionerClient(guarded.address, credentials=credentials) as captioner:
        captioner.model()
        captioner.caption([])
    with ClassifierClient(guarded.address, credentials=credentials) as classifier:
        classifier.classify("A squirrel.")
    assert guarded.shown.tokens == ["Bearer first"] * 4


async def test_so_does_the_asynchronous_one(guarded: Any, credentials: Credentials) -> None:
    async with AsyncClient(guarded.address, credentials=credentials) as client:
        await client.tag(CLIP)
    assert "Bearer first" in guarded.shown.tokens


def test_a_client_without_the_certificate_does_not_get_through(guarded: Any) -> None:
    unknown = Credentials(ca=guarded.authority.file)
    with Client(guarded.address, credentials=unknown) as client, pytest.raises(failures.UpstreamUnavailable):
        client.tag(CLIP)
    assert guarded.shown.tokens == []


def test_a_server_of_another_authority_is_told_so(guarded: Any, tmp_path: Path) -> None:
    stranger = Credentials(ca=Authority(tmp_path / "stranger").file)
    expected = pytest.raises(failures.UpstreamUnavailable, match="do not agree on TLS")
    with Client(guarded.address, credentials=stranger) as client, expected:
        client.tag(CLIP)


def test_files_that_change_are_shown_by_the_next_call(guarded: Any, credentials: Credentials) -> None:
    with ClassifierClient(guarded.address, credentials=credentials) as client:
        client.taxonomies()
        old = client._channel._connection  # type: ignore[attr-defined]
        guarded.token_file.write_text("the second")  # no token: the old one is kept
        client.taxonomies()
        guarded.token_file.write_text("third")
        guarded.authority.issue("client.test", name="client")
        client.taxonomies()
        assert client._channel._connection is not old  # type: ignore[attr-defined]
    assert guarded.shown.tokens == ["Bearer first", "Bearer first", "Bearer third"]


def test_a_running_call_outlives_the_certificate_that_it_began_with(
    guarded: Any, credentials: Credentials, script: Any
) -> None:
    with Client(guarded.address, credentials=credentials) as client:
        arrived = threading.Event()
        outcome: list[Any] = []
        running = threading.Thread(target=lambda: outcome.append(client.tag(CLIP, on_progress=lambda _: arrived.set())))

        def exchange_and_call_again(progress: object) -> None:
            guarded.authority.issue("client.test", name="client")
            running.start()
            assert arrived.wait(20)

        tagged = client.tag(CLIP, on_progress=exchange_and_call_again)
        running.join()
        assert tagged.tags
        assert outcome[0].tags


@pytest.mark.parametrize("client", EVERY)
def test_no_client_shows_its_token_to_the_network(client: Any, guarded: Any) -> None:
    with pytest.raises(CredentialsUnusable, match="refusing to speak plaintext to gateway"):
        client("gateway.example.com:50050", credentials=Credentials(token_file=guarded.token_file))


def test_files_that_cannot_be_used_are_told_at_once(guarded: Any, tmp_path: Path) -> None:
    with pytest.raises(CredentialsUnusable, match="no certificates in the file"):
        Client(guarded.address, credentials=Credentials(ca=guarded.token_file))
    with pytest.raises(OSError, match="No such file"):
        Client(guarded.address, credentials=Credentials(token_file=tmp_path / "none"))
    with pytest.raises(CredentialsUnusable, match="give both or neither"):
        Credentials(certificate=guarded.client.certificate)
