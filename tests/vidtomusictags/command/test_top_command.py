"""`vidtags top` and `vidtags health --replicas`: what every replica is doing, and why one cannot be asked."""

from __future__ import annotations

import asyncio
import http.server
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from callers import write_callers
from certificates import Authority
from metrics_page import free_address
from rich.console import Console

from captioner_service.app import running
from captioner_service.settings import CaptionerSettings
from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.captioner.v1 import captioner_pb2_grpc
from vidtomusictags.command import health as health_command
from vidtomusictags.command import sighting
from vidtomusictags.command.health import Readiness
from vidtomusictags.command.rates import Rates, quantile, rates
from vidtomusictags.command.replicas import Replica, replicas_of
from vidtomusictags.command.service_settings import ServiceName
from vidtomusictags.command.sighting import Sighting, Totals
from vidtomusictags.command.top_table import Seen, top_table
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.version import VERSION

CAPTIONER = ServiceName.CAPTIONER
ADDRESS = Replica(CAPTIONER, "127.0.0.1:50051")


def addresses(targets: str) -> list[str]:
    return [one.address for one in replicas_of(CAPTIONER, targets)]


class TestReplicas:
    def test_an_address_is_one_replica(self) -> None:
        assert addresses("127.0.0.1:50051") == ["127.0.0.1:50051"]
        assert addresses("[::1]:50051") == ["[::1]:50051"]
        assert addresses("0.0.0.0:50051") == ["127.0.0.1:50051"]

    @pytest.mark.parametrize(
        "targets",
        ["127.0.0.2:5, 127.0.0.1:5,127.0.0.2:5", "ipv4:127.0.0.2:5,127.0.0.1:5", "dns:///127.0.0.2:5,127.0.0.1:5"],
    )
    def test_several_are_several_each_once(self, targets: str) -> None:
        assert addresses(targets) == ["127.0.0.2:5", "127.0.0.1:5"]

    def test_a_name_is_all_its_addresses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        def answer(host: str, port: int, **_: Any) -> list[Any]:
            asked.append(host)
            return [(2, 1, 6, "", (f"10.0.0.{number}", port)) for number in (7, 8)]

        monkeypatch.setattr("socket.getaddrinfo", answer)
        for targets in (
            "captioner:50051",
            "dns:///captioner:50051",
            "dns:captioner:50051",
            "dns://10.0.0.2/captioner:50051",
        ):
            assert addresses(targets) == ["10.0.0.7:50051", "10.0.0.8:50051"]
        assert set(asked) == {"captioner"}

    def test_a_name_that_is_not_known_says_so(self) -> None:
        (replica,) = replicas_of(CAPTIONER, "nowhere.invalid:50051")
        assert replica.fault.startswith("nowhere.invalid is not known")
        (replica,) = replicas_of(CAPTIONER, "captioner")
        assert replica.fault == "not host:port"

    def test_metrics_are_ten_ports_above_or_where_it_is_said(self) -> None:
        assert ADDRESS.metrics_address(None, 10) == "127.0.0.1:50061"
        assert Replica(CAPTIONER, "[::1]:50051").metrics_address(9464, 10) == "[::1]:9464"


class TestRates:
    def test_two_looks_tell_how_fast_things_go(self) -> None:
        before = Totals(10, done=9, failed=1, completion_tokens=100, buckets={1.0: 5, 2.0: 9, float("inf"): 9})
        after = Totals(30, 24, 6, sheds=4, completion_tokens=300, buckets={1.0: 5, 2.0: 24, float("inf"): 24})
        told = rates(Sighting(ADDRESS, 100.0, "ready", totals=before), Sighting(ADDRESS, 110.0, "ready", totals=after))
        assert told == Rates(2.0, 1.5, failed=0.25, sheds=0.4, completion_tokens=20.0, p95_seconds=pytest.approx(1.95))

    def test_nothing_is_made_up(self) -> None:
        now = Sighting(ADDRESS, 110.0, "ready", totals=Totals(calls=5))
        assert rates(None, now) == Rates()
        assert rates(Sighting(ADDRESS, 100.0, "ready", totals=Totals(calls=9)), now) == Rates()  # it began anew
        assert rates(Sighting(ADDRESS, 100.0, "unreachable"), now) == Rates()
        idle = rates(Sighting(ADDRESS, 100.0, "ready", totals=Totals(calls=5)), now)
        assert (idle.calls, idle.failed, idle.p95_seconds) == (0.0, None, None)

    def test_a_percentile_beyond_the_last_bucket_is_that_buckets_beginning(self) -> None:
        assert quantile(0.95, {1.0: 0, 640.0: 1, float("inf"): 100}) == 640.0


class TestTable:
    SEEN = (
        Seen(
            Sighting(
                ADDRESS,
                0.0,
                "ready",
                version="0.1.0",
                model="llava-hf/LLaVA-NeXT-Video-7B-hf",
                slots=32,
                slots_used=31,
                queue=7,
                running=38,
                limit=64,
                memory_bytes=3 * 2**30,
                totals=Totals(),
            ),
            Rates(calls=3.25, done=3.0, failed=0.02, sheds=0.5, completion_tokens=412.0, p95_seconds=0.85),
        ),
        Seen(Sighting(Replica(CAPTIONER, "10.0.0.8:50051"), 0.0, "unreachable", "connection refused"), Rates()),
    )

    @pytest.mark.parametrize("width", [40, 60, 80, 100, 140, 200])
    def test_no_line_is_broken_on_any_terminal_and_what_matters_most_stays(self, width: int) -> None:
        console = Console(width=width, record=True, file=None, force_terminal=False, quiet=False)
        with console.capture() as captured:
            console.print(top_table(self.SEEN, console))
        lines = captured.get().splitlines()
        assert all(len(line) <= width for line in lines)
        rows = [line for line in lines if line.startswith("captioner  ")]
        assert len(rows) == 2
        if width > 40:
            assert "127.0.0.1:50051" in rows[0] and "ready" in rows[0] and "unreachable" in rows[1]
        assert "captioner 10.0.0.8:50051: " in captured.get()

    def test_a_wide_terminal_shows_all(self) -> None:
        console = Console(width=200)
        with console.capture() as captured:
            console.print(top_table(self.SEEN, console))
        for told in ("31/32", "38/64", "3.2", "850ms", "2%", "0.5", "412", "3.0G", "LLaVA-NeXT-Video-7B-hf", "0.1.0"):
            assert told in captured.get()
        assert captured.get().splitlines()[0] == "1 of 2 replicas ready · 0 clips a minute · 7 waiting"

    def test_what_a_replica_calls_itself_cannot_reach_the_terminal(self) -> None:
        console = Console(width=120)
        evil = Seen(Sighting(ADDRESS, 0.0, "ready", model="\x1b]0;owned\x07", totals=Totals()), Rates())
        with console.capture() as captured:
            console.print(top_table([evil], console))
        assert "\x1b" not in captured.get() and "\x07" not in captured.get()


@pytest.fixture
def page() -> Iterator[dict[str, str]]:
    """A server of one page: its address, and what it answers."""
    told = {"text": "", "address": ""}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(told["text"].encode())

        def log_message(self, *_: object) -> None:
            """Keeps quiet."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    told["address"] = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


class TestLooking:
    def test_a_model_that_restarts_is_told(self, page: dict[str, str]) -> None:
        page["text"] = (
            'vidtags_build_info{service="CaptionerService",version="1"} 1\nvidtags_ready 0\n'
            'vidtags_model_state{state="ready"} 0\nvidtags_model_state{state="restarting"} 1\n'
        )
        seen = sighting.look(ADDRESS, page["address"], 5.0)
        assert (seen.state, seen.why) == ("not ready", "the model is restarting")

    @pytest.mark.parametrize(
        "text",
        [
            "<html>hello</html>",
            "up 1\n",
            '{"json": true',
            'vidtags_build_info{service="TaggingService",version="1"} 1\nvidtags_ready 1\n',
        ],
    )
    def test_what_another_shows_is_not_taken_for_its_own(self, text: str, page: dict[str, str], fakes: str) -> None:
        page["text"] = text
        seen = sighting.look(Replica(CAPTIONER, fakes), page["address"], 5.0)
        assert seen.state != "ready"
        assert seen.why == f"the metrics at {page['address']} are not those of a captioner"

    def test_without_metrics_health_says_whether_it_is_ready(self, fakes: str, nobody: str) -> None:
        there = sighting.look(Replica(CAPTIONER, fakes), nobody, 5.0)
        assert there.why == f"no metrics at {nobody}: connection refused"
        gone = sighting.look(Replica(CAPTIONER, nobody), nobody, 5.0)
        assert gone.state == "unreachable"
        assert gone.why.endswith("Connection refused")

    def test_a_replica_that_is_frozen_holds_up_the_table_no_longer_than_twice_the_time_for_a_look(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as frozen:
            address = f"127.0.0.1:{frozen.getsockname()[1]}"
            began = time.monotonic()
            seen = sighting.look(Replica(CAPTIONER, address), address, 0.2)
        assert time.monotonic() - began < 4
        assert (seen.state, seen.why) == ("unreachable", "no answer in time")


async def describe(port: int) -> None:
    config = pb.CaptionConfig(
        encoding=media_pb2.FRAME_ENCODING_RGB24, frame_size=media_pb2.FrameSize(width=2, height=2)
    )
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = captioner_pb2_grpc.CaptionerServiceStub(channel)
        frames = [media_pb2.Frame(index=0, data=bytes(12))]
        await stub.CaptionClip(pb.CaptionClipRequest(config=config, frames=frames), timeout=20)


async def test_a_real_captioner_is_shown_at_work(vidtags: Any, nobody: str) -> None:
    metrics_at = free_address()
    settings = CaptionerSettings(
        listen="127.0.0.1:0", engine="instant", metrics_listen=metrics_at, drain_announce_seconds=0
    )
    async with running(settings) as port:
        where = ["--captioner", f"127.0.0.1:{port}", "--classifier", nobody, "--gateway", nobody]
        options = ["--metrics-port", metrics_at.rpartition(":")[2], "--interval", "0.5"]
        looking = asyncio.create_task(asyncio.to_thread(vidtags, "top", *where, *options, "--json"))
        while not looking.done():
            await describe(port)
        ran = await looking
        assert ran.code == 3  # the other two are not there
        captioner = next(one for one in ran.document["replicas"] if one["service"] == "captioner")
        assert (captioner["state"], captioner["version"], captioner["why"]) == ("ready", VERSION, "")
        assert captioner["model"] and captioner["slots"] >= 1 and captioner["limit"] == 64
        assert captioner["rates"]["calls"] > 0 and captioner["rates"]["failed"] == 0
        assert 0 < captioner["rates"]["p95_seconds"] < 5
        printed = await asyncio.to_thread(vidtags, "top", *where, *options, "--once")
        health = await asyncio.to_thread(
            vidtags, "health", "captioner", "--captioner", f"127.0.0.1:{port},{nobody}", "--replicas"
        )
        document = await asyncio.to_thread(
            vidtags, "health", "captioner", "--captioner", f"127.0.0.1:{port},{nobody}", "--replicas", "--json"
        )
    assert "1 of 3 replicas ready" in printed.stdout
    assert health.code == document.code == 3
    there, gone, why = health.stdout.splitlines()
    assert there.split() == ["captioner", f"127.0.0.1:{port}", "ready"]
    assert gone.split() == ["captioner", nobody, "unreachable"]
    assert why == f"captioner {nobody}: Failed to connect to remote host: Connection refused"
    there, gone = document.document["captioner"]
    assert there == {"address": f"127.0.0.1:{port}", "state": "ready", "why": ""}
    assert (gone["address"], gone["state"]) == (nobody, "unreachable")


def test_health_asks_all_replicas_at_once(vidtags: Any, nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = threading.Barrier(3, timeout=20)

    def ask(*_: object, **__: object) -> Readiness:
        meeting.wait()
        return Readiness("ready")

    monkeypatch.setattr(health_command, "readiness", ask)
    three = "127.0.0.1:1,127.0.0.2:1,127.0.0.3:1"
    assert vidtags("health", "captioner", "--captioner", three, "--replicas").code == 0


class TestCertificates:
    """Replicas have addresses for a day; their certificates are for the name that leads to them."""

    @pytest.fixture
    async def port(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
        """Of three captioners that `captioner.test` leads to; the third shows a certificate for another name."""
        authority = Authority(tmp_path / "authority")
        authority.issue("client.test", name="client")
        guarded: dict[str, Any] = {
            "engine": "instant",
            "drain_announce_seconds": 0,
            "tls_client_ca": authority.file,
            "tokens_file": write_callers(tmp_path / "callers.toml", a={"token": "a", "permissions": ["caption"]}),
        }
        async with AsyncExitStack() as stack:
            port = 0
            for number, name in enumerate(("captioner.test", "captioner.test", "other.test"), 2):
                files = authority.issue(name, name=f"replica-{number}")
                settings = CaptionerSettings(
                    listen=f"127.0.0.{number}:{port}",
                    tls_certificate=files.certificate,
                    tls_key=files.key,
                    **guarded,
                )
                port = await stack.enter_async_context(running(settings))
            look_up = socket.getaddrinfo

            def answer(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
                if host == "captioner.test":
                    return [(2, 1, 6, "", (f"127.0.0.{number}", port)) for number in (2, 3, 4)]
                return look_up(host, port, *rest, **named)

            monkeypatch.setattr("socket.getaddrinfo", answer)
            yield port

    def shown(self, tmp_path: Path) -> list[str]:
        (tmp_path / "token").write_text("wrong")  # which health does not ask for, and is not shown
        names = {"ca": "authority/ca.pem", "certificate": "authority/client.pem", "key": "authority/client.key"}
        files = {**names, "token-file": "token"}
        return [part for name, file in files.items() for part in (f"--{name}", str(tmp_path / file))]

    async def test_are_checked_against_the_name_that_was_asked_for(
        self, vidtags: Any, port: int, tmp_path: Path
    ) -> None:
        asked = ["health", "captioner", "--captioner", f"dns:///captioner.test:{port}", "--replicas", "--json"]
        ran = await asyncio.to_thread(vidtags, *asked, *self.shown(tmp_path))
        states = {one["address"]: one["state"] for one in ran.document["captioner"]}
        assert states == {
            f"127.0.0.2:{port}": "ready",
            f"127.0.0.3:{port}": "ready",
            f"127.0.0.4:{port}": "unreachable",
        }
        by_address = f"127.0.0.2:{port}"  # for which there is no certificate
        ran = await asyncio.to_thread(
            vidtags, "health", "captioner", "--captioner", by_address, "--replicas", "--json", *self.shown(tmp_path)
        )
        (stranger,) = ran.document["captioner"]
        assert (stranger["address"], stranger["state"]) == (by_address, "unreachable")
        assert "Verification" in stranger["why"]

    async def test_and_so_they_are_where_top_asks_for_health(
        self, vidtags: Any, port: int, nobody: str, tmp_path: Path
    ) -> None:
        where = ["--captioner", f"captioner.test:{port}", "--classifier", nobody, "--gateway", nobody]
        ran = await asyncio.to_thread(
            vidtags, "top", *where, "--metrics-port", "1", "--interval", "0.2", "--json", *self.shown(tmp_path)
        )
        captioners = [one for one in ran.document["replicas"] if one["service"] == "captioner"]
        assert [one["state"] for one in captioners] == ["ready", "ready", "unreachable"]


@pytest.mark.parametrize(
    ("listen", "metrics"),
    [(None, "127.0.0.1:50061"), ("0.0.0.0:6001", "127.0.0.1:6011"), ("127.0.0.1:0", "")],
)
def test_a_fleet_shows_its_metrics_where_top_looks(
    listen: str | None, metrics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vidtomusictags.command import fleet

    launched: dict[str, str] = {}

    class Child:
        def __init__(self, name: str, environment: dict[str, str], output: object) -> None:
            launched.update(environment)

        def stop(self) -> None:
            """Nothing runs."""

    monkeypatch.setattr(fleet, "Child", Child)
    for name in ("CAPTIONER_LISTEN", "CAPTIONER_METRICS_LISTEN"):
        monkeypatch.delenv(name, raising=False)
    if listen is not None:
        monkeypatch.setenv("CAPTIONER_LISTEN", listen)
    with fleet.Fleet(free_ports=False) as one:
        one._launch("captioner")
    assert launched["CAPTIONER_METRICS_LISTEN"] == metrics
