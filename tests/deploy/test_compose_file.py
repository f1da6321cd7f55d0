"""The compose file is valid, and its very commands and environments, run on loopback, tag a clip."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from free_ports import free_port

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent
CLIP = ROOT / "examples" / "big-buck-bunny.mp4"
SERVICES = ("captioner", "classifier", "gateway")
START_SECONDS, STOP_SECONDS = 60, 45


@pytest.fixture(scope="module", name="compose")
def _compose() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text()
    chosen = {"CAPTIONER_ENGINE": "embedded"}  # the one variable that a machine without a GPU has to set
    defaults = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: chosen.get(found[1], found[2]), text)
    loaded: dict[str, Any] = yaml.safe_load(defaults)
    return loaded


def test_the_compose_file_follows_the_specification() -> None:
    command = [SCRIPTS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / "docker-compose.yml"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_dockerfile_is_clean() -> None:
    linted = subprocess.run(
        [SCRIPTS / "hadolint", ROOT / "deploy/Dockerfile"], capture_output=True, text=True, check=False
    )
    assert linted.returncode == 0, linted.stdout


def test_every_service_is_confined_has_a_health_check_and_its_locked_requirements(compose: dict[str, Any]) -> None:
    for name in SERVICES:
        service = compose["services"][name]
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
        assert service["healthcheck"]["test"] == ["CMD", "vidtags", "health", name]
        arguments = service["build"]["args"]
        assert arguments["SERVICE"] == name
        assert (ROOT / f"deploy/requirements/{arguments.get('REQUIREMENTS', name)}.txt").exists()
    assert compose["services"]["captioner"]["deploy"]["resources"]["reservations"]["devices"][0]["driver"] == "nvidia"
    assert {need["condition"] for need in compose["services"]["gateway"]["depends_on"].values()} == {"service_healthy"}


def test_no_image_but_a_captioner_for_gpus_installs_torch() -> None:
    for name in SERVICES:
        assert not re.search(r"^(torch|nvidia)", (ROOT / f"deploy/requirements/{name}.txt").read_text(), re.M)


def test_the_commands_and_environments_of_the_compose_file_tag_a_clip(compose: dict[str, Any], tmp_path: Path) -> None:
    places = {name: f"127.0.0.1:{free_port()}" for name in (*SERVICES, *(f"{one}_health" for one in SERVICES))}
    with ExitStack() as stack:
        processes = {}
        for name in SERVICES:  # in the order of depends_on
            service = compose["services"][name]
            environment = _on_loopback(service["environment"], places, tmp_path)
            processes[name] = stack.enter_context(_running(service["command"], environment))
            _await_health(service["healthcheck"]["test"][1:], environment, processes[name])
        tagged = subprocess.run(
            [SCRIPTS / "vidtags", "tag", f"file://{CLIP}", "--gateway", places["gateway"], "--json"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert tagged.returncode == 0, tagged.stderr
        assert [tag["label"] for tag in json.loads(tagged.stdout)["tags"]] == ["Nature"]
        for process in reversed(processes.values()):
            process.send_signal(signal.SIGTERM)
        for name, process in processes.items():
            assert process.wait(STOP_SECONDS) == 0, name
    assert not list((tmp_path / "spool").iterdir())


def _on_loopback(given: dict[str, str], places: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of the compose file, with only its addresses and mounted paths replaced by local ones."""

    def local(key: str, value: str) -> str:
        if key.endswith("_HEALTH_LISTEN"):
            assert value == given[f"VIDTAGS_{key.removesuffix('_HEALTH_LISTEN')}"], "the health check asks elsewhere"
        if value == "127.0.0.1:50055":
            return places[f"{key.removeprefix('VIDTAGS_').removesuffix('_HEALTH_LISTEN').lower()}_health"]
        if key.endswith("_LISTEN"):
            assert value.startswith("0.0.0.0:")
            return places[key.removesuffix("_LISTEN").lower()]
        named = re.sub(r"^dns:///(\w+):\d+$", lambda found: f"dns:///{places[found[1]]}", value)
        return named.replace('"/clips"', f'"{CLIP.parent}"').replace("/spool", str(tmp_path / "spool"))

    path = {"PATH": f"{SCRIPTS}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    return path | {key: local(key, value) for key, value in given.items()}


@contextmanager
def _running(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=environment, executable=SCRIPTS / command[0], stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _await_health(command: list[str], environment: dict[str, str], process: subprocess.Popen[bytes]) -> None:
    """Runs the health check until it passes, as an engine would."""
    ends_at = time.monotonic() + START_SECONDS
    while True:
        checked = subprocess.run(
            command, env=environment, executable=SCRIPTS / command[0], capture_output=True, text=True, check=False
        )
        if checked.returncode == 0:
            return
        assert process.poll() is None, "the service ended before it was healthy"
        assert time.monotonic() < ends_at, checked.stderr
