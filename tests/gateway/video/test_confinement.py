"""What a worker can no longer do once it is confined."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]

PROBE = """
import ctypes, json, os, platform, resource, socket, subprocess, threading
from gateway.video.confinement import confine
from gateway.video.limits import SandboxLimits

CALLS = {"x86_64": (434, 438, 424, 234, 302), "aarch64": (434, 438, 424, 131, 261)}

def outcome(act):
    try:
        act()
    except OSError as error:
        return type(error).__name__
    except MemoryError:
        return "MemoryError"
    return "done"

libc = ctypes.CDLL(None, use_errno=True)

def call(*arguments):
    if libc.syscall(*(ctypes.c_long(one) for one in arguments)) < 0:
        raise OSError(ctypes.get_errno(), "")

PIDFD_OPEN, PIDFD_GETFD, PIDFD_SEND_SIGNAL, TGKILL, PRLIMIT = CALLS[platform.machine()]
parent = os.getppid()
handle = os.pidfd_open(parent)
limits = ctypes.create_string_buffer(16)
nothing = os.open("/dev/null", os.O_RDONLY)
open("theirs", "wb").close()
grown = open("grown", "wb", buffering=0)

confine(SandboxLimits())
thread = threading.Thread(target=lambda: None)
thread.start()
thread.join()
resource.setrlimit(resource.RLIMIT_CPU, (100, 100))
files = [os.dup(nothing) for _ in range(40)]
print(json.dumps({
    "connect": outcome(socket.socket),
    "connect within the machine": outcome(lambda: socket.socket(socket.AF_UNIX)),
    "run a program": outcome(lambda: subprocess.run(["true"])),
    "end another process": outcome(lambda: os.kill(os.getppid(), 0)),
    "end another process by a handle": outcome(lambda: call(PIDFD_SEND_SIGNAL, handle, 0, 0, 0)),
    "end another process by a thread": outcome(lambda: call(TGKILL, parent, parent, 0)),
    "limit another process": outcome(lambda: call(PRLIMIT, parent, 7, 0, ctypes.addressof(limits))),
    "take another process's connections": outcome(lambda: call(PIDFD_GETFD, handle, 0, 0)),
    "take hold of another process": outcome(lambda: call(PIDFD_OPEN, parent, 0)),
    "become two": outcome(lambda: os.fork() or os._exit(0)),
    "read a file": outcome(lambda: open("/etc/hostname")),
    "read another process's memory": outcome(lambda: open(f"/proc/{parent}/mem", "rb")),
    "list a directory": outcome(lambda: os.listdir("/")),
    "make a file": outcome(lambda: open("made", "wb")),
    "remove a file": outcome(lambda: os.unlink("theirs")),
    "rename a file": outcome(lambda: os.rename("theirs", "mine")),
    "empty a file": outcome(lambda: os.truncate("theirs", 0)),
    "open a file to others": outcome(lambda: os.chmod("theirs", 0o777)),
    "grow a file": outcome(lambda: grown.write(bytes(10))),
    "open many files": outcome(lambda: [os.dup(nothing) for _ in range(40)]),
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
        ("end another process by a handle", "PermissionError"),
        ("end another process by a thread", "PermissionError"),
        ("limit another process", "PermissionError"),
        ("take another process's connections", "PermissionError"),
        ("take hold of another process", "PermissionError"),
        ("become two", "PermissionError"),
        ("read a file", "PermissionError"),
        ("read another process's memory", "PermissionError"),
        ("list a directory", "PermissionError"),
        ("make a file", "PermissionError"),
        ("remove a file", "PermissionError"),
        ("rename a file", "PermissionError"),
        ("empty a file", "PermissionError"),
        ("open a file to others", "PermissionError"),
        ("grow a file", "OSError"),
        ("open many files", "OSError"),
        ("take 3 GiB", "MemoryError"),
    ],
)
def test_a_confined_process_cannot(act: str, outcome: str, outcomes: dict[str, str]) -> None:
    assert outcomes[act] == outcome
