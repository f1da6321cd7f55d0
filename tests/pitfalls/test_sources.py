"""What the sources must not do, because gRPC does not bear it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("captioner_service", "classifier_service", "gateway", "vidtomusictags")
THRESHOLDS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")


def calls(*, left_out: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """The file and the dotted name of every call in our code."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not name.endswith(("_pb2.py", "_pb2_grpc.py")) and not name.startswith(left_out):
                for node in ast.walk(ast.parse(path.read_text())):
                    if isinstance(node, ast.Call):
                        yield name, ast.unparse(node.func)


def test_only_commands_and_children_start_an_event_loop() -> None:
    starts = ("asyncio.run", "asyncio.new_event_loop", "asyncio.Runner", "run_until_complete")
    left_out = ("vidtomusictags/command/", "vidtomusictags/evaluation/", "captioner_service/worker/")
    assert [call for call in calls(left_out=left_out) if call[1].endswith(starts)] == []


def test_nothing_forks() -> None:
    forks = re.compile(r"(os\.fork\w*|multiprocessing\..*|.*ProcessPoolExecutor|.*get_context)")
    assert [call for call in calls() if forks.fullmatch(call[1])] == []


@pytest.mark.parametrize("file", ["gateway/video/worker.py", "captioner_service/worker/__main__.py"])
def test_children_import_no_grpc(file: str) -> None:
    """Nor would its threads survive in them."""
    body = ast.parse((ROOT / file).read_text()).body
    modules = [node.module for node in body if isinstance(node, ast.ImportFrom) and node.module != "__future__"]
    assert modules
    code = f"import importlib, sys; [importlib.import_module(m) for m in {modules}]; sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT, timeout=60).returncode == 0


def test_one_layer_aborts() -> None:
    aborting = {name for name, call in calls() if call.endswith((".abort", ".abort_with_status"))}
    assert aborting == {"vidtomusictags/rpc/layers.py", "vidtomusictags/rpc/health.py"}


def test_every_server_is_asynchronous() -> None:
    assert [call for call in calls() if call[1] == "grpc.server"] == []
    assert "vidtomusictags/rpc/server.py" in {name for name, call in calls() if call == "grpc.aio.server"}


def test_the_observability_plugin_is_not_installed() -> None:
    locks = sorted((ROOT / "deploy" / "requirements").glob("*.txt"))
    assert locks
    for path in (ROOT / "pyproject.toml", *locks):
        assert "grpcio-observability" not in path.read_text(), path


@pytest.mark.parametrize("file", ["Dockerfile", "kubernetes/base/settings/process.env"])
def test_images_and_pods_set_both_thresholds_of_the_allocator(file: str) -> None:
    """Either alone is worse than none: it switches glibc's own adjustment off."""
    text = (ROOT / "deploy" / file).read_text()
    assert [name for name in THRESHOLDS if re.search(rf"\b{name}=\d+", text)] == list(THRESHOLDS)
