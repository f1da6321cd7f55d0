"""A stock client that is not ours: k6 with the protos as they lie on disk."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from fake_upstreams import FakeCaptioner, FakeClassifier, serving_captioner, serving_classifier

from gateway.app import running
from gateway.settings import GatewaySettings

K6 = Path(sys.executable).parent / "k6"
SCRIPT = Path(__file__).parents[2] / "deploy/k6/tag.js"
CHECKS_FAILED = 99


async def _k6(tmp_path: Path, **told: str) -> tuple[int, str, dict[str, dict[str, int]]]:
    """Exit code, output, and passes and failures by check."""
    summary = tmp_path / "summary.json"
    variables = [part for name, value in told.items() for part in ("-e", f"{name}={value}")]
    quiet = ["--quiet", "--no-usage-report", "--summary-export", summary]
    try:
        process = await asyncio.create_subprocess_exec(
            K6, "run", *quiet, *variables, SCRIPT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except OSError:
        pytest.skip("needs k6: its package has no program for this platform")
    async with asyncio.timeout(120):
        output, _ = await process.communicate()
    assert process.returncode is not None
    checks = json.loads(summary.read_text())["root_group"]["checks"]
    return process.returncode, output.decode(), checks


async def test_k6_tags_clips_and_classifies_their_summaries(film: Path, tmp_path: Path) -> None:
    async with (
        serving_captioner(FakeCaptioner()) as captioner,
        serving_classifier(FakeClassifier()) as classifier,
    ):
        settings = GatewaySettings(
            listen="127.0.0.1:0",
            captioner=f"127.0.0.1:{captioner}",
            classifier=f"127.0.0.1:{classifier}",
            roots=(film.parent,),
            spool_directory=tmp_path / "spool",
            decode_workers=1,
            drain_announce_seconds=0,
        )
        async with running(settings) as port:
            places = {"GATEWAY": f"127.0.0.1:{port}", "CLASSIFIER": f"127.0.0.1:{classifier}"}
            code, output, checks = await _k6(tmp_path, **places, CLIP=f"file://{film}", VUS="2", ITERATIONS="6")
            assert code == 0, output
            assert {name: (one["passes"], one["fails"]) for name, one in checks.items()} == {
                "the call was accepted first": (6, 0),
                "the sequence has no gap": (6, 0),
                "the last event is the result": (6, 0),
                "the result has tags": (6, 0),
                "the classifier answers alone as behind the gateway": (6, 0),
            }
            code, output, checks = await _k6(tmp_path, **places, CLIP=f"file://{film.parent}/none.mp4")
            assert (code, checks["no call failed"]["fails"]) == (CHECKS_FAILED, 1), output
            assert "There is no such file" in output
