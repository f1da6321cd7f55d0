"""docs/security.md: its tests exist, its table is true, and its commands run as they stand."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from captioner_service.servicer import PERMISSIONS as CAPTIONER
from classifier_service.servicer import PERMISSIONS as CLASSIFIER
from gateway.servicer import PERMISSIONS as GATEWAY
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.callers import ON_BEHALF_OF

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "security.md").read_text()
TOOLS = Path(sys.executable).parent
START = "vidtags up &\n"


def threats() -> list[str]:
    table = GUIDE.partition("| Threat |")[2].partition("\n\n")[0]
    return table.splitlines()[2:]


def named_in(row: str) -> list[tuple[str, str]]:
    return re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)


def test_every_threat_names_a_test_and_every_test_that_is_named_exists() -> None:
    assert len(threats()) > 10
    for row in threats():
        assert named_in(row), row
        for file, name in named_in(row):
            tree = ast.walk(ast.parse((ROOT / file).read_text()))
            names = {node.name for node in tree if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
            assert name in names, f"{file} has no {name}"


def test_the_table_of_permissions_is_what_the_services_ask_for() -> None:
    told = {}
    for permission, methods in re.findall(r"^\| `(\w+)` \| ([\w, ]+?)(?::.*)? \|$", GUIDE, re.MULTILINE):
        told |= {method: permission for method in methods.split(", ")}
    assert told.pop("none") == ON_BEHALF_OF
    assert told == {**GATEWAY, **CAPTIONER, **CLASSIFIER}


def test_reasons_and_settings_that_are_named_exist() -> None:
    reasons = {kind.reason for kind in failures.Failure.__subclasses__()}
    named = set(re.findall(r"`((?:CREDENTIAL|PERMISSION|CALLER)_(?:MISSING|INVALID|EXPIRED|LIMITED))`", GUIDE))
    assert named == {
        *("CREDENTIAL_MISSING", "CREDENTIAL_INVALID", "CREDENTIAL_EXPIRED"),
        *("PERMISSION_MISSING", "CALLER_LIMITED"),
    }
    assert named <= reasons
    settings = (ROOT / "docs" / "settings.md").read_text()
    for name in re.findall(r"`\*_([A-Z_]+)(?:=true)?`", GUIDE):
        assert f"_{name}`" in settings, name


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_the_commands_run_as_they_stand(tmp_path: Path) -> None:
    """All but the start itself, in whose place the same services pick free ports and say where they are."""
    shutil.copy(ROOT / "examples" / "evaluation" / "clips" / "heart.mp4", tmp_path / "clip.mp4")
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
    make, sign, start, use, rotate = blocks
    assert start.endswith(START)
    environment = {**os.environ, "PATH": f"{TOOLS}:{os.environ['PATH']}", "COLUMNS": "120"}
    environment |= {f"{name}_DRAIN_ANNOUNCE_SECONDS": "0" for name in ("CAPTIONER", "CLASSIFIER", "GATEWAY")}

    def shell(script: str, **more: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env=environment | more,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    assert "gateway" in shell(make)
    shell(sign)
    up = start.replace(START, "exec vidtags up --free-ports --json\n").replace("127.0.0.1:50060", "127.0.0.1:0")
    with (tmp_path / "up.log").open("w") as log:
        services = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", up],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    with services:
        assert services.stdout is not None
        try:
            line = services.stdout.readline()
            assert line, (tmp_path / "up.log").read_text()
            gateway = json.loads(line)["gateway"]
            told = [json.loads(line) for line in (tmp_path / "up.log").read_text().splitlines() if line[:1] == "{"]
            probes = next(one["port"] for one in told if one["event"] == "answering probes")
            use = use.replace("127.0.0.1:50060", f"127.0.0.1:{probes}")
            said = shell(use, VIDTAGS_GATEWAY=gateway)
            assert said.count("ready") == 2
            assert "vidtomusictags.gateway.v1.TaggingService" in said
            shell(rotate, VIDTAGS_GATEWAY=gateway)
        finally:
            services.terminate()
            services.wait(60)
