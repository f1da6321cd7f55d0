"""The gateway's decoders confine themselves where the manifests leave nothing to be given up: no privileges at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from gateway.video.limits import SandboxLimits
from gateway.video.plan import SamplingPlan
from gateway.video.sandbox import running_sandbox


def status(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\\t", 1) for line in lines if ":\\t" in line)


async def main():
    async with running_sandbox(SandboxLimits(workers=1)) as sandbox:
        clip = await sandbox.sample(Path(sys.argv[1]), SamplingPlan(frames=4))
        [worker] = sandbox.workers
        print(json.dumps({"frames": len(clip.frames), "gateway": status("self"), "worker": status(worker.pid)}))


asyncio.run(main())
"""


def test_decoders_are_confined_without_capabilities_and_new_privileges(film: Path) -> None:
    """As a pod of deploy/kubernetes: no capabilities, and allowPrivilegeEscalation false, which is no_new_privs."""
    setpriv = shutil.which("setpriv")
    if not setpriv:
        pytest.skip("needs setpriv")
    drop = ["--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    command = [setpriv, "--no-new-privs", *drop, sys.executable, "-c", PROGRAM, film]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["frames"] == 4
    assert (told["gateway"]["NoNewPrivs"], int(told["gateway"]["CapEff"], 16)) == ("1", 0)
    before = int(told["gateway"].get("Seccomp_filters", "0"))
    assert told["worker"]["Seccomp"] == "2", "no filter"
    assert int(told["worker"].get("Seccomp_filters", str(before + 1))) == before + 1
