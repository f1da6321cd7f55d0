"""Compare ways of sampling 8 frames of a video, side by side in one run.

    python benchmarks/sampling.py                      a quick look: 1080p, 10 s and 60 s
    python benchmarks/sampling.py --full               codec x GOP x length x resolution
    python benchmarks/sampling.py --codecs h264 --gops 48 --seconds 600 --sizes 1080p
    python benchmarks/sampling.py --add --rounds 0 --memory    peak memory for rows that were measured before

Every contender opens the clip, takes 8 frames and leaves them as RGB arrays of 336 pixels on the short side. They take
turns, each in a process of its own that stays warm, in a new order each round; the table gives medians, and ratios to
the prototype's loop (higher is faster). "prefixes" and "needed" are the floors of sampling_floor.py; "decoded" are
the packets that ours decodes, of all frames of the clip. Peak memory is that of a process of its own.

Peers belong in an environment of their own, with this repository on its PYTHONPATH: `pip install torch==2.13.0 && pip
install --no-deps torchcodec==0.13.0 && pip install decord2 opencv-python-headless av pillow matplotlib`. What is
missing is named as missing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

from sampling_clips import CODECS, SIZES, Case, clip_for
from sampling_contenders import Contender, Job, contenders, ours
from sampling_floor import floor_of
from sampling_processes import Contestant, Failed
from sampling_report import OURS, header, lead, line, markdown, plot, ratio

SLOW_SECONDS = 6.0  # what took longer than this once is not run again


def main() -> None:
    options = _options()
    if options.one:
        _run_once(options.one, Path(options.clip), options.threads)
        return
    options.clips.mkdir(parents=True, exist_ok=True)
    everyone = [contender for contender in contenders() if not options.only or contender.name in options.only]
    present = [contender for contender in everyone if not contender.missing]
    for contender in everyone:
        if contender.missing:
            print(f"missing: {contender.name} ({contender.missing})")
    names = [contender.name for contender in present]
    rows = {row["case"]: row for row in _earlier_rows(options)}
    contestants = [Contestant(contender) for contender in present] if options.rounds else []
    print(header(names))
    for case in _cases(options):
        _tell(f"{case.name}: making the clip")
        row = _measure(case, clip_for(case, options.clips), present, contestants, options)
        if not options.rounds and case.name in rows:
            row = rows[case.name] | {"peak_mib": row["peak_mib"]}
        rows[case.name] = row
        _tell("")
        print(line(row, names), flush=True)
        _write(options.out, list(rows.values()), names)
    for contestant in contestants:
        contestant.end()
    names = [contender.name for contender in contenders() if any(contender.name in r["seconds"] for r in rows.values())]
    options.out.with_suffix(".md").write_text(markdown(list(rows.values()), names))
    drawn = plot(options.out.with_suffix(".png"), list(rows.values()), names)
    print(f"\nwrote {options.out}.json and .md" + (" and .png" if drawn else ""))


def _earlier_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    earlier = options.out.with_suffix(".json")
    return list(json.loads(earlier.read_text())["rows"]) if options.add and earlier.exists() else []


def _tell(progress: str) -> None:
    """Show what is going on, on a terminal or in a log of its own, in place of what was shown before."""
    print(f"\r{progress:<78}", end="" if progress else "\r", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codecs", nargs="+", choices=CODECS, default=["h264", "hevc", "vp9", "av1"])
    parser.add_argument("--gops", nargs="+", type=int, default=[48, 250])
    parser.add_argument("--seconds", nargs="+", type=int, default=[10, 60])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["1080p"])
    parser.add_argument("--full", action="store_true", help="all sizes, and 10 minutes too")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", nargs="+", choices=[contender.name for contender in contenders()], metavar="NAME")
    parser.add_argument("--add", action="store_true", help="add to the rows of OUT.json instead of starting anew")
    parser.add_argument("--memory", action="store_true", help="measure peak memory too, one process for each cell")
    parser.add_argument("--clips", type=Path, default=Path(tempfile.gettempdir()) / "vidtags-benchmark-clips")
    parser.add_argument("--out", type=Path, default=Path("sampling"), help="results go to OUT.json and OUT.png")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--clip", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.full:
        options.sizes, options.seconds = list(SIZES), [10, 60, 600]
    return options


def _cases(options: argparse.Namespace) -> list[Case]:
    cases = product(options.sizes, options.seconds, options.codecs, options.gops)
    return [Case(codec, gop, seconds, size) for size, seconds, codec, gop in cases]


def _job(path: Path, threads: int) -> tuple[Job, dict[str, Any]]:
    outcome, _ = ours(path, "uniform", threads)
    indices = tuple(frame.index for frame in outcome.manifest.frames)
    return Job(path, indices, outcome.width, outcome.height, threads), outcome.manifest.to_dict()["effort"]


def _measure(
    case: Case, path: Path, present: list[Contender], contestants: list[Contestant], options: argparse.Namespace
) -> dict[str, Any]:
    job, effort = _job(path, options.threads)
    seconds: dict[str, list[float]] = {contender.name: [] for contender in present}
    failed: dict[str, str] = {}
    order = random.Random(case.name)
    for round_number in range(options.rounds):
        for contestant in order.sample(contestants, len(contestants)):
            taken = seconds[contestant.name]
            _tell(f"{case.name}: round {round_number + 1} of {options.rounds}, {contestant.name}")
            if contestant.name in failed or (taken and max(taken) > SLOW_SECONDS):
                continue
            try:
                taken.append(contestant.seconds(job))
            except Failed as failure:
                failed[contestant.name] = str(failure)
    medians = {name: statistics.median(taken) for name, taken in seconds.items() if taken and name not in failed}
    return {
        "case": case.name,
        "frames": case.frames,
        "exact_peers": [c.name for c in present if c.exact and c.name != OURS],
        "seconds": medians,
        "runs": {name: len(taken) for name, taken in seconds.items()},
        "failed": failed,
        "floor": vars(min((floor_of(job) for _ in range(2)), key=lambda floor: floor.needed)),
        "effort": effort,
        "peak_mib": {c.name: _peak_mib(c, path, options.threads) for c in present} if options.memory else {},
    }


def _run_once(name: str, path: Path, threads: int) -> None:
    """One contender in a process of its own; prints its peak resident memory in MiB."""
    job, _ = _job(path, threads) if name.startswith("ours") else (_job_by_child(path, threads), None)
    next(contender for contender in contenders() if contender.name == name).sample(job)
    if name == "ffmpeg":
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
    else:  # not ru_maxrss, which begins with that of the process that started this one
        status = Path("/proc/self/status").read_text()
        print(int(status.split("VmHWM:")[1].split()[0]) // 1024)


def _job_by_child(path: Path, threads: int) -> Job:
    """The job without our sampler's memory: its indices from the number of frames."""
    import av  # noqa: PLC0415

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        total = stream.frames or sum(1 for packet in container.demux(stream) if packet.size)
        width, height = stream.codec_context.width, stream.codec_context.height
    scale = 336 / min(width, height)
    indices = tuple((2 * n + 1) * total // 16 for n in range(8))
    return Job(path, indices, round(width * scale), round(height * scale), threads)


def _peak_mib(contender: Contender, path: Path, threads: int) -> int | None:
    command = [sys.executable, __file__, "--one", contender.name, "--clip", str(path), "--threads", str(threads)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return int(run.stdout.split()[-1]) if run.returncode == 0 and run.stdout.split() else None


def _write(out: Path, rows: list[dict[str, Any]], names: list[str]) -> None:
    facts = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "missing": {contender.name: contender.missing for contender in contenders() if contender.missing},
        "rows": [
            row | {"ratio_to_prototype": {name: ratio(row, name) for name in names}, "ratio_to_best_peer": lead(row)}
            for row in rows
        ],
    }
    out.with_suffix(".json").write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
