"""`vidtags serve`, `up`, `try` and `health`, as real processes."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "vidtomusictags"]
SECONDS = 60


def run(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, **settings: Any
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env={**os.environ, "COLUMNS": "80", **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        **settings,
    )


@contextmanager
def started(*arguments: str, **settings: Any) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "GATEWAY_LISTEN": "127.0.0.1:0", "GATEWAY_DRAIN_ANNOUNCE_SECONDS": "0"}
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, text=True, env=environment, **settings
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def has_ended(pid: int) -> bool:
    """Whether a process that need not be our child is gone or only waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """All three, up on free ports: their addresses, and the pid of `vidtags up`."""
    log = tmp_path_factory.mktemp("up") / "services.log"
    with log.open("w") as file, started("up", "--free-ports", "--json", stderr=file) as process:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        yield {**addresses, "pid": process.pid, "log": log}


def at(services: dict[str, Any]) -> dict[str, str]:
    return {f"VIDTAGS_{name.upper()}": services[name] for name in ("captioner", "classifier", "gateway")}


def test_up_says_where_the_services_are_and_they_are_ready(services: dict[str, Any]) -> None:
    ran = run("health", "--json", environment=at(services))
    assert ran.returncode == 0
    assert {one["state"] for one in json.loads(ran.stdout).values()} == {"ready"}


def test_the_whole_way_from_a_film_to_its_tags(services: dict[str, Any], film: Path) -> None:
    ran = run("tag", film, "--json", environment=at(services))
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    assert document["file"] == str(film)
    assert len(document["manifest"]["frames"]) == 8
    assert document["provenance"]["captioner"]["engine"] == "embedded"


def test_caption_and_classify_and_taxonomies_meet_the_real_services(services: dict[str, Any], film: Path) -> None:
    described = run("caption", film, "--json", "-q", environment=at(services))
    summary = json.loads(described.stdout)["text"]
    tagged = run("classify", "--summary", summary, "--json", environment=at(services))
    assert json.loads(tagged.stdout)["taxonomy"]["id"] == "music-moods"
    listed = run("taxonomies", "list", "--json", environment=at(services))
    assert [entry["id"] for entry in json.loads(listed.stdout)] == ["music-moods", "production-music"]


def test_a_text_file_is_refused_by_the_real_gateway(services: dict[str, Any], tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video\n" * 100)
    ran = run("tag", text, "-q", environment=at(services))
    assert (ran.returncode, ran.stdout) == (4, "")
    assert ran.stderr.startswith(f"vidtags: {text}: The file is not a video")


def test_a_reader_that_leaves_ends_the_command_quietly(services: dict[str, Any], film: Path) -> None:
    line = f"{shlex.join([*COMMAND, 'tag', str(film)])} -q | true"
    ran = subprocess.run(
        line,
        shell=True,
        env={**os.environ, **at(services)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ran.stderr == ""


def test_up_ends_in_order_when_it_is_told_to() -> None:
    with started("up", "--free-ports", stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert any("ready" in line for line in process.stdout)
        children = children_of(process.pid)
        assert len(children) == 3
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
        assert all(has_ended(child) for child in children)
        log = [json.loads(line) for line in process.stderr]
    stopped = [line["service"] for line in log if line["event"] == "stopped"]
    assert stopped == ["gateway", "classifier", "captioner"]


def test_a_service_ends_with_the_process_that_started_it() -> None:
    reads, writes = os.pipe()
    with started("serve", "gateway", "--ready-fd", str(writes), stdin=subprocess.PIPE, pass_fds=[writes]) as process:
        os.close(writes)
        with os.fdopen(reads) as ready:
            assert int(ready.readline()) > 0
        assert process.stdin is not None
        process.stdin.close()  # as the kernel does when a parent is gone
        assert process.wait(SECONDS) == 0


def test_try_starts_tags_and_stops(film: Path) -> None:
    ran = run("try", film, "--frames", "4")
    assert ran.returncode == 0, ran.stderr
    assert "Tags · music-moods" in ran.stdout and "4 of 4" in ran.stdout


def test_try_starts_nothing_for_a_file_that_is_not_there(vidtags: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidtomusictags.command.fleet.Fleet.start", lambda _: pytest.fail("services were started"))
    ran = vidtags("try", "nope.mp4")
    assert (ran.code, ran.stderr) == (2, "vidtags: nope.mp4: there is no such file or directory\n")


def test_a_service_that_does_not_start_says_why(film: Path) -> None:
    ran = run("try", film, environment={"CAPTIONER_ENGINE": "crystal-ball"})
    assert ran.returncode == 2
    assert "there is no caption engine 'crystal-ball'; there is: embedded" in ran.stderr
    assert ran.stderr.splitlines()[-1] == "vidtags: the captioner did not start; what it said is above"


def test_a_wrong_environment_is_told_whole(film: Path) -> None:
    environment = {"CAPTIONER_MAX_CALLS": "many", "CAPTIONER_IDLE_SECONDS": "-1"}
    ran = run("serve", "captioner", environment=environment)
    assert ran.returncode == 2
    first, *faults = ran.stderr.splitlines()
    assert first == "vidtags: the environment is wrong:"
    assert [fault.split(":")[0].strip() for fault in faults] == ["CAPTIONER_MAX_CALLS", "CAPTIONER_IDLE_SECONDS"]


def test_a_setting_that_is_no_json_hides_no_other_fault_and_no_key() -> None:
    environment = {"CLASSIFIER_API_KEYS": "sk-secret", "CLASSIFIER_MAX_CALLS": "0"}
    ran = run("serve", "classifier", "--debug", environment=environment)
    assert ran.returncode == 2
    assert 'CLASSIFIER_API_KEYS: must be JSON, such as ["one", "two"]' in ran.stderr
    assert "CLASSIFIER_MAX_CALLS: " in ran.stderr
    assert "sk-secret" not in ran.stderr


def test_a_service_refuses_an_address_beyond_loopback() -> None:
    ran = run("serve", "captioner", environment={"CAPTIONER_LISTEN": "0.0.0.0:0"})
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[-1].startswith("vidtags: the captioner does not start: refusing to listen")


def test_a_service_that_is_not_there_is_unhealthy(vidtags: Any, nobody: str) -> None:
    ran = vidtags("health", "gateway", "--gateway", nobody)
    assert ran.code == 3
    line, why = ran.stdout.splitlines()
    assert line.split() == ["gateway", nobody, "unreachable"]
    assert why.startswith(f"gateway {nobody}: ") and why.endswith("Connection refused")


def test_something_else_at_the_address_is_not_healthy(vidtags: Any, fakes: str) -> None:
    ran = vidtags("health", "--json")
    assert ran.code == 3
    assert {one["state"] for one in ran.document.values()} == {"unknown"}


def test_a_service_asks_itself_where_its_settings_say(vidtags: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDTAGS_GATEWAY")
    monkeypatch.setenv("GATEWAY_LISTEN", "0.0.0.0:1")
    told = vidtags("health", "gateway", "--json").document["gateway"]
    assert (told["address"], told["state"]) == ("127.0.0.1:1", "unreachable")


def test_an_engine_in_the_command_keeps_no_journal_of_its_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME"), str(tmp_path))
    ran = run("classify", "--summary", "A dog runs.", "--engine", "embedded", environment=places)
    assert ran.returncode == 0, ran.stderr
    assert list(tmp_path.rglob("*")) == []
