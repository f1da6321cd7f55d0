"""Everything that goes wrong in a week goes wrong in a minute, and no caller gets a wrong answer, or none.

CHAOS_ROUNDS=20 repeats the whole script twenty times (about a minute each), with the figures in chaos.md.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from clips import write_clip
from disk import disk_at
from faults import (
    Fault,
    Scene,
    calm,
    captioner_freezes,
    captioner_is_killed,
    classifier_freezes,
    classifier_is_killed,
    connections_are_half_open,
    disk_is_full,
    gateway_is_killed,
    provider_is_down,
    provider_is_slow,
    provider_limits_rates,
    rollout,
)
from figures import row, table
from fleet import Fleet, running_fleet
from load import CALL_SECONDS, Load
from name_server import DNSMASQ
from provider import Provider, serving_model

pytestmark = pytest.mark.alone  # nine processes under load

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
PER_SECOND = float(os.environ.get("CHAOS_PER_SECOND", "3"))
PAUSE_SECONDS = 2.5
"""How long a fault lasts; twice as long where it has to be found out by silence."""
SCRIPT: Sequence[Fault] = (
    calm,
    captioner_is_killed,
    captioner_freezes,
    connections_are_half_open,
    classifier_is_killed,
    classifier_freezes,
    provider_is_slow,
    provider_limits_rates,
    provider_is_down,
    disk_is_full,
)
"""Faults after which all processes but those that were killed are the ones of before."""
MOST_GROWTH_BYTES, MOST_MORE_DESCRIPTORS = 48 << 20, 24
"""What a process may hold more after all this. Buffers and connections come and go; a leak grows with every round."""


@dataclass
class Run:
    """What is known of a run in the end. disk: what that was which got full.

    before, after: bytes of memory and open descriptors by process.
    """

    load: Load
    provider: Provider
    disk: str
    rows: list[list[str]] = field(default_factory=list)
    upstream: Counter[str] = field(default_factory=Counter)
    before: dict[str, tuple[int, int]] = field(default_factory=dict)
    after: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def longest_call(self) -> float:
        return max(one.longest_call for one in self.load.answered)

    @property
    def survivors(self) -> list[str]:
        """Processes that were there at both times."""
        return sorted(self.before.keys() & self.after.keys())

    def report(self) -> str:
        """For people."""
        held = [
            f"{name}: {self.before[name][0] / 2**20:.0f} to {self.after[name][0] / 2**20:.0f} MiB, "
            f"{self.before[name][1]} to {self.after[name][1]} descriptors."
            for name in self.survivors
        ]
        return "\n".join(
            [
                table([*self.rows, row("all", self.load.answered, self.upstream)]),
                "",
                f"Longest call: {self.longest_call:.1f} s, allowed {CALL_SECONDS:.0f} s.",
                f"Failed attempts of gateways at others: {dict(self.upstream)}.",
                f"The full disk: {self.disk}.",
                f"Requests to the language model: {dict(self.provider.asked)}.",
                *held,
            ]
        )


@pytest.mark.skipif(DNSMASQ is None, reason="needs dnsmasq: apt-get install dnsmasq-base")
async def test_whatever_fails_every_caller_gets_its_answer(tmp_path: Path, notes: list[str]) -> None:
    clips = [write_clip(tmp_path / f"clip-{frames}.mp4", frames=frames) for frames in (20, 31)]
    spools = [tmp_path / name for name in ("spool-1", "spool-2")]
    for spool in spools:
        spool.mkdir()
    async with AsyncExitStack() as stack:
        disk = stack.enter_context(disk_at(spools[0]))
        spools[0] = disk.path
        if not disk.can_be_full:
            notes.append(f"tests/chaos: the fault of a full disk was {disk.told}.")
        provider = await stack.enter_async_context(serving_model())
        fleet = await stack.enter_async_context(
            running_fleet(tmp_path, roots=tmp_path, spools=spools, provider=provider.url)
        )
        load = Load(fleet.gateways, clips)
        stack.push_async_callback(load.close)
        run = Run(load, provider, disk.told)
        await run_script(run, Scene(fleet, provider, disk, PAUSE_SECONDS))
        run.upstream = upstream(fleet)
    print(f"\n{run.report()}")
    if ROUNDS > 1:
        await asyncio.to_thread(Path("chaos.md").write_text, f"{run.report()}\n")

    assert load.running == 0
    assert [(one.wish, one.result) for one in load.wrong] == []
    assert [(one.wish, one.failure, one.refusals) for one in load.failed] == []
    assert not disk.can_be_full or load.refusals["SPOOL_FULL"], "the disk was not full"
    assert run.upstream["captioner"] and run.upstream["classifier"], "no replica was missed"
    assert run.longest_call < CALL_SECONDS + 5  # which the caller itself may be late
    assert {name.partition("-")[0] for name in run.survivors} == {"captioner", "classifier", "gateway"}
    for name in run.survivors:
        (memory, descriptors), (more_memory, more_descriptors) = run.before[name], run.after[name]
        assert more_memory - memory < MOST_GROWTH_BYTES, name
        assert more_descriptors - descriptors < MOST_MORE_DESCRIPTORS, name


async def run_script(run: Run, scene: Scene) -> None:
    """All faults under load."""
    await run.load.learn()
    async with run.load.steady(PER_SECOND):
        for fault in (rollout, gateway_is_killed):
            await play(fault, scene, run)
        run.before = held(scene.fleet)
        for _ in range(ROUNDS):
            for fault in SCRIPT:
                if scene.disk.can_be_full or fault is not disk_is_full:
                    await play(fault, scene, run)
        await play(calm, scene, run)
    run.after = held(scene.fleet)


async def play(fault: Fault, scene: Scene, run: Run) -> None:
    """One fault under load, and a moment after it; its figures are those of the requests that ended meanwhile."""
    done, failed_before = len(run.load.answered), upstream(scene.fleet)
    await fault(scene)
    await asyncio.sleep(1)
    failed = upstream(scene.fleet) - failed_before
    run.rows.append(row(fault.__name__.replace("_", " "), run.load.answered[done:], failed))


def upstream(fleet: Fleet) -> Counter[str]:
    """Attempts that failed and were made again by gateways, by upstream and reason."""
    total: Counter[str] = Counter()
    for name, service in fleet.services.items():
        if name.startswith("gateway"):
            total += service.logged("upstream attempt failed", "upstream")
    return total


def held(fleet: Fleet) -> dict[str, tuple[int, int]]:
    """Bytes of memory and open descriptors of every process that is not killed by the script."""
    return {
        f"{name} ({service.pid})": (service.resident_bytes(), service.descriptors())
        for name, service in fleet.services.items()
        if service.running
    }
