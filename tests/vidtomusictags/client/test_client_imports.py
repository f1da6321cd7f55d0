"""What a program that only calls the services has to install."""

from __future__ import annotations

import subprocess
import sys

_BLOCKED = """
import sys
blocked = {"pydantic", "pydantic_settings", "structlog", "numpy", "typer", "rich", "yaml", "av", "PIL", "grpc_health"}
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
"""


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_clients_need_grpc_and_protobuf_alone() -> None:
    names = "AsyncClient, CaptionerClient, ClassifierClient, Client, Failure, Progress, Still, TaggedVideo"
    use = f"from vidtomusictags import {names}\nClient('127.0.0.1:1').close(); print('ok')"
    assert run(_BLOCKED + use) == "ok"


def test_the_package_itself_loads_no_grpc() -> None:
    assert run("import sys, vidtomusictags.rpc.failures; print('grpc' in sys.modules)") == "False"


def test_the_package_lists_what_it_offers() -> None:
    assert run("import vidtomusictags as v; print(all(getattr(v, n) and n in dir(v) for n in v.__all__))") == "True"
