"""Which code may know which: told by the sources, and by starting each part without the others' libraries."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("captioner_service", "classifier_service", "gateway")
WIRE = {"grpc", "grpc_health", "grpc_reflection", "grpc_status", "google"}
KNOW_THE_WIRE = {
    "captioner_service/app.py",
    "captioner_service/servicer.py",
    "captioner_service/translation.py",
    "classifier_service/app.py",
    "classifier_service/servicer.py",
    "classifier_service/taxonomy_translation.py",
    "classifier_service/translation.py",
    "gateway/app.py",
    "gateway/clients.py",
    "gateway/servicer.py",
    "gateway/translation.py",
    "gateway/upstream.py",
}
"""Servicers, clients, what they translate with, and what puts them together. All else is domain."""
KNOW_SETTINGS = {f"{service}/{file}.py" for service in SERVICES for file in ("app", "servicer", "settings")}
KNOW_SETTINGS |= {"captioner_service/describers.py"}
"""What puts a service together, and servicers, which are told their limits."""
WIRE_OF_RPC = {
    "call_metrics",
    "observing",
    "deadlines",
    "endings",
    "layers",
    "channels",
    "server",
    "status",
    "conversation",
    "health",
    "durations",
    "doors",
    "probes",
}


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not path.name.endswith(("_pb2.py", "_pb2_grpc.py")):
                yield path


def imported(path: Path) -> set[str]:
    """Full names of all modules that a file imports, wherever in it; names imported from modules included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def tops(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(path)}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_imports_no_other(service: str) -> None:
    others = set(SERVICES) - {service}
    assert {name_of(path): tops(path) & others for path in sources(service) if tops(path) & others} == {}


def test_what_hosts_and_calls_services_knows_none() -> None:
    contract = tuple(f"vidtomusictags.{name}" for name in ("captioner", "classifier", "gateway", "media", "command"))
    for path in sources("vidtomusictags/rpc"):
        assert not tops(path) & set(SERVICES), path
        assert not [name for name in imported(path) if name.startswith(contract)], path


def test_the_client_knows_no_service() -> None:
    for path in sources("vidtomusictags/client"):
        assert not tops(path) & set(SERVICES), path


def test_domain_files_know_neither_the_wire_nor_settings() -> None:
    faults = {}
    for path in sources(*SERVICES):
        name, modules = name_of(path), imported(path)
        if name not in KNOW_THE_WIRE:
            wire = tops(path) & WIRE
            wire |= {module for module in modules if "_pb2" in module}
            wire |= {m for m in modules if m.startswith("vidtomusictags.rpc.") and m.split(".")[2] in WIRE_OF_RPC}
            if wire:
                faults[name] = wire
        if name not in KNOW_SETTINGS:
            settings = {m for m in modules if m.startswith("pydantic_settings") or m.endswith(".settings")}
            if settings:
                faults[name] = faults.get(name, set()) | settings
    assert faults == {}


def test_the_list_of_files_that_know_the_wire_is_not_longer_than_it_need_be() -> None:
    for name in KNOW_THE_WIRE:
        path = ROOT / name
        assert tops(path) & WIRE or any("_pb2" in m or ".rpc." in m for m in imported(path)), name


def test_only_settings_and_the_command_read_the_environment() -> None:
    """Handing the whole of it on to a process of one's own, as `{**os.environ}`, is not reading it."""
    readers = []
    for path in sources(*SERVICES, "vidtomusictags"):
        reads = any(reads_environment(node) for node in ast.walk(ast.parse(path.read_text())))
        if reads and "command" not in path.parts:
            readers.append(name_of(path))
    assert readers == []


def reads_environment(node: ast.AST) -> bool:
    """os.getenv, os.environ["X"], os.environ.get("X") and the like."""
    if isinstance(node, ast.Attribute) and node.attr in ("getenv", "getenvb"):
        return True
    holder = node.value if isinstance(node, ast.Subscript | ast.Attribute) else None
    return isinstance(holder, ast.Attribute) and holder.attr in ("environ", "environb")


IMPORT_ALL = """
import importlib, pkgutil, sys

blocked, packages, left_out = (argument.split(",") for argument in sys.argv[1:4])


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked or name in blocked:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)


sys.meta_path.insert(0, Blocker())
for package in packages:
    module = importlib.import_module(package)
    names = [package]
    if hasattr(module, "__path__"):
        names += [found.name for found in pkgutil.walk_packages(module.__path__, package + ".")]
    for name in names:
        if not any(name == one or name.startswith(one + ".") for one in left_out if one):
            importlib.import_module(name)
            print(name)
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & set(blocked), loaded & set(blocked)
"""
HEAVY = ["torch", "transformers", "onnxruntime", "onnx", "cv2", "tokenizers", "openai", "instructor", "bitsandbytes"]
REMOTE = ["httpcore", "httpx", "fsspec", "s3fs", "gcsfs", "aiohttp"]
COMMAND = ["typer", "rich", "click", "vidtomusictags.command"]


@pytest.mark.parametrize(
    ("packages", "blocked", "left_out"),
    [
        (
            ["captioner_service"],
            [*HEAVY, *COMMAND, "classifier_service", "gateway", "av", "yaml"],
            [
                "captioner_service.engines.embedded",
                "captioner_service.engines.openai",
                "captioner_service.engines.transformers",
            ],
        ),
        (
            ["classifier_service"],
            [*HEAVY, *COMMAND, "captioner_service", "gateway", "av", "PIL"],
            ["classifier_service.engines.embedded", "classifier_service.engines.instructor"],
        ),
        (
            ["gateway"],
            [*HEAVY, *COMMAND, *REMOTE, "captioner_service", "classifier_service", "yaml"],
            ["gateway.sources.web", "gateway.sources.web_client", "gateway.sources.network"],
        ),
        (
            ["vidtomusictags.client", "vidtomusictags.gateway.v1.gateway_pb2_grpc"],
            [
                *HEAVY,
                *COMMAND,
                *SERVICES,
                *("av", "yaml", "PIL", "numpy", "pydantic", "pydantic_settings", "structlog"),
                *("grpc_health", "grpc_reflection"),
            ],
            [],
        ),
    ],
    ids=["captioner", "classifier", "gateway", "client"],
)
def test_every_part_imports_without_what_only_the_others_need(
    packages: list[str], blocked: list[str], left_out: list[str]
) -> None:
    arguments = [",".join(names) for names in (blocked, packages, left_out)]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *arguments],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) > 3
