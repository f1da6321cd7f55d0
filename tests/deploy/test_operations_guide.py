"""docs/operations.md names what exists: commands, options, files, settings and metrics; and its sums come out."""

from __future__ import annotations

import math
import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from vidtomusictags.command.app import app

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/operations.md").read_text()
CLIPS_AN_HOUR = (1_000, 10_000, 100_000)
BUSY = 0.6


def commands(program: str) -> Iterator[list[str]]:
    """Every call of a program in the guide, in blocks and in running text, as its words."""
    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE, re.M | re.S)
    lines = "".join(blocks).replace("\\\n", " ").splitlines() + re.findall(r"`([^`\n]+)`", GUIDE)
    for line in lines:
        words = re.split(r"\s[|&>]|\s#", line)[0]
        words = re.sub(r"^(\w+=\S+ )+", "", words)
        if words.startswith(f"{program} "):
            yield shlex.split(words)[1:]


def test_commands_of_vidtags_and_their_options_exist() -> None:
    found = list(commands("vidtags"))
    assert len(found) > 5
    for words in found:
        command: Any = typer.main.get_command(app)
        rest = list(words)
        while rest and not rest[0].startswith("-") and hasattr(command, "commands"):
            assert rest[0] in command.commands, words
            command = command.commands[rest.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in rest if word.startswith("--")} <= known, words


def test_scripts_exist_and_know_their_options() -> None:
    found = list(commands("python"))
    assert len(found) > 3
    for script, *rest in found:
        source = (ROOT / script).read_text()
        for option in (word for word in rest if word.startswith("--")):
            assert f'"{option}"' in source, (script, option)


def test_files_and_links_exist() -> None:
    for link in re.findall(r"\]\(([^)#][^)]*?)(?:#[^)]*)?\)", GUIDE):
        assert link.startswith("https://") or (ROOT / "docs" / link).exists(), link
    headings = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"^##+ (.*)$", GUIDE, re.M)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", GUIDE)) <= headings
    for path in re.findall(r"\b((?:deploy|examples|benchmarks)/[\w./-]+)", GUIDE):
        made = path.endswith((".pb", "envoy-tls.yaml"))  # by the command that names it
        assert made or (ROOT / path.rstrip(".")).exists(), path
    for component in re.findall(r"`((?:components|overlays)/[\w-]+)`", GUIDE):
        assert (ROOT / "deploy/kubernetes" / component / "kustomization.yaml").exists(), component


def test_every_part_of_the_manifests_is_told_of() -> None:
    parts = [
        path.parent.relative_to(ROOT / "deploy/kubernetes") for path in (ROOT / "deploy").rglob("kustomization.yaml")
    ]
    assert {str(part) for part in parts} - {"base"} == set(re.findall(r"`((?:components|overlays)/[\w-]+)`", GUIDE))


def test_settings_and_metrics_exist() -> None:
    settings = set(re.findall(r"`([*A-Z_0-9]+)`", (ROOT / "docs/settings.md").read_text()))
    named = set(re.findall(r"\b((?:GATEWAY|CAPTIONER|CLASSIFIER)_[A-Z_0-9]+)", GUIDE)) | set(
        re.findall(r"(\*_[A-Z_]+)", GUIDE)
    )
    assert named
    for name in named:
        shared = re.sub(r"^(GATEWAY|CAPTIONER|CLASSIFIER)", "*", name)
        assert {name, shared} & settings, name
    metrics = set(re.findall(r"`(vidtags_\w+)`", (ROOT / "docs/metrics.md").read_text()))
    assert set(re.findall(r"`(vidtags_\w+)`", GUIDE)) <= metrics


def test_reasons_of_failures_exist() -> None:
    reasons = set(re.findall(r'"([A-Z]+_[A-Z_]+)"', (ROOT / "vidtomusictags/rpc/failures.py").read_text()))
    for reason in ("UPSTREAM_UNAVAILABLE", "UPSTREAM_RATE_LIMITED", "SPOOL_FULL"):
        assert f"`{reason}`" in GUIDE
        assert reason in reasons


def test_the_table_of_sizes_follows_from_its_figures() -> None:
    cards = {card.name: card for card in runpy.run_path(str(ROOT / "benchmarks/sizing.py"))["CARDS"]}
    for card in cards.values():
        assert f"| {card.name} | {card.slots} | {card.clips_an_hour:,.0f} |" in GUIDE
    measured = {
        name: float(seconds) for name, seconds in re.findall(r"^\| (\w+),? .*?\| (0\.\d\d) \| \d+ MiB", GUIDE, re.M)
    }
    assert set(measured) == {"gateway", "captioner", "classifier"}
    an_hour = {f"captioner, {name}": card.clips_an_hour / 2 for name, card in cards.items()} | {
        "gateway, 2 cores": 3600 * 2 * BUSY / measured["gateway"],
        "captioner `embedded`, 1 core": 3600 * BUSY / measured["captioner"],
        "classifier `embedded`, 1 core": 3600 * BUSY / measured["classifier"],
        "classifier, hosted model, 3 s": 3600 * 8 * BUSY / 3,
    }
    for name, most in an_hour.items():
        row = " | ".join(str(math.ceil(clips / most)) for clips in CLIPS_AN_HOUR)
        assert f"| {name} | {row} |" in GUIDE


@pytest.mark.parametrize("program", ["kubectl", "openssl", "curl", "k6", "docker"])
def test_commands_of_others_can_be_read_by_a_shell(program: str) -> None:
    assert list(commands(program))


def test_lines_of_the_log_that_are_named_are_written() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "vidtomusictags/rpc").glob("*.py"))
    named = re.findall(r"`([a-z ]+)` in the log", GUIDE)
    assert named
    assert [line for line in named if f'"{line}"' not in sources] == []
