"""What each service and the whole can do, and what becomes of them when four times as much is asked of them.

    python benchmarks/load.py                                    # all of it, some six minutes on two idle cores
    python benchmarks/load.py --only whole --seconds 30
    python benchmarks/load.py --json load.json --plot load.svg

Services run as processes of their own with their settings as they are by default. First so many callers as keep a
service busy find its capacity; then calls arrive at random (Poisson) at 0.5, 1, 2 and 4 times that rate, whatever
becomes of earlier ones. Latencies count from the time a call was due; an answer after the deadline is none. Where one
service alone is measured it has one core and the generator another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from load_generator import Level, capacity, offer
from load_plot import plot
from load_processes import processor_seconds
from load_scenarios import GENERATOR_CORE, SCENARIOS, Scenario, Target

MULTIPLES = (0.5, 1.0, 2.0, 4.0)


async def measure(scenario: Scenario, seconds: float, tries: int) -> dict[str, Any]:
    """The capacity of one scenario and its levels, printed as they come."""
    cores = os.sched_getaffinity(0)
    if scenario.pinned:
        os.sched_setaffinity(0, [GENERATOR_CORE])
    try:
        async with scenario.running() as target:
            for _ in range(3):  # what is made on first use is no part of a service's capacity
                await target.ask(60.0)
            rate = await capacity(
                target.ask,
                callers=scenario.callers,
                seconds=0.5 * seconds * scenario.seconds_factor,
                deadline=scenario.deadline,
            )
            if not rate:
                raise SystemExit(f"{scenario.name}: nobody was answered; is the machine free?")
            print(
                f"{scenario.name}: capacity {rate:.1f} a second with {scenario.callers} callers; "
                f"deadline {scenario.deadline:g} s, {tries} {'try' if tries == 1 else 'tries'}",
                flush=True,
            )
            levels = []
            for multiple in MULTIPLES:
                level = await _measured(scenario, target, multiple * rate, seconds, tries)
                levels.append({"multiple": multiple, **asdict(level)})
                _print(multiple, level)
                await asyncio.sleep(1.0)
    finally:
        os.sched_setaffinity(0, cores)
    kept = levels[-1]["good"] / max(levels[1]["good"], 1e-9)
    print(f"  goodput at {MULTIPLES[-1]:g}x over that at 1x: {kept:.2f}", flush=True)
    return {"capacity": rate, "deadline": scenario.deadline, "tries": tries, "kept": kept, "levels": levels}


async def _measured(scenario: Scenario, target: Target, rate: float, seconds: float, tries: int) -> Level:
    before = {served.name: processor_seconds(served.pid) for served in target.processes}
    length = seconds * scenario.seconds_factor
    level = await offer(target.ask, rate=rate, seconds=length, deadline=scenario.deadline, tries=tries)
    for served in target.processes:
        level.server_cores[served.name] = (processor_seconds(served.pid) - before[served.name]) / length
    return level


def _print(multiple: float, level: Level) -> None:
    def row(values: dict[str, float]) -> str:
        return "/".join(f"{1000 * value:.0f}" for value in values.values()) or "-"

    servers = ", ".join(f"{name} {cores:.2f}" for name, cores in level.server_cores.items())
    counts = f"good {level.good:6.1f}  shed {level.shed:7.1f}  failed {level.failed:6.1f}  retries {level.retries:5}"
    times = f"ms p50/95/99 answered {row(level.latency)}, refused {row(level.refusal)}"
    own = f"generator {level.generator_cores:.2f} cores, late {1000 * level.lag:.0f} ms"
    print(f"  {multiple:3g}x {level.offered:7.1f}/s: {counts}  {times}", flush=True)
    print(f"       {own}; {servers} cores; {level.reasons or 'no failures'}", flush=True)


async def _run(arguments: argparse.Namespace) -> None:
    results = {}
    for name in arguments.only or SCENARIOS:
        results[name] = await measure(SCENARIOS[name], arguments.seconds, arguments.tries)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))
    if arguments.plot:
        plot(results, arguments.plot)


def main() -> None:
    """Prints a table for each scenario."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(SCENARIOS), help="may be given several times")
    parser.add_argument("--seconds", type=float, default=12.0, help="of each level; twice as long for the whole")
    parser.add_argument("--tries", type=int, default=1, help="times that a refused call is tried, after its delay")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    parser.add_argument("--plot", type=Path, help="where to draw them: .svg or .png")
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
