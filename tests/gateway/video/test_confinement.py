"""What a worker can no longer do once it is confined."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]

PROBE = """
import json, os, socket, subprocess, threading
from gateway.video.confinement import confine
from gateway.video.limits import SandboxLimits

def outcome(act):
    try:
        act()
    except OSError as error:
        return type(error).__name__
    except MemoryError:
        return "MemoryError"
    return "done"

def write():
    with open("grown", "wb") as file:
        file.write(bytes(10))

confine(SandboxLimits())
thread = threading.Thread(target=lambda: None)
thread.start()
thread.join()
files = [os.open("/dev/null", os.O_RDONLY) for _ in range(40)]
print(json.dumps({
    "connect": outcome(socket.socket),
    "connect within the machine": outcome(lambda: socket.socket(socket.AF_UNIX)),
    "run a program": outcome(lambda: subprocess.run(["true"])),
    "end another process": outcome(lambda: os.kill(os.getppid(), 0)),
    "grow a file": outcome(write),
    "open many files": outcome(lambda: [os.open("/dev/null", os.O_RDONLY) for _ in range(40)]),
    "take 3 GiB": outcome(lambda: bytearray(3 << 30)),
}))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    run = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=tmp_path_factory.mktemp("confined"),
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(run.stdout))


@pytest.mark.parametrize(
    "act, outcome",
    [
        ("connect", "PermissionError"),
        ("connect within the machine", "PermissionError"),
        ("run a program", "PermissionError"),
        ("end another process", "PermissionError"),
        ("grow a file", "OSError"),
        ("open many files", "OSError"),
        ("take 3 GiB", "MemoryError"),
    ],
)
def test_a_confined_process_cannot(act: str, outcome: str, outcomes: dict[str, str]) -> None:
    assert outcomes[act] == outcome
