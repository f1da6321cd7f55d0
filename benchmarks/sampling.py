"""Compare ways of sampling 8 frames of a video, side by side in one run.

    python benchmarks/sampling.py                      a quick look: 1080p, 10 s and 60 s
    python benchmarks/sampling.py --full               codec x GOP x length x resolution
    python benchmarks/sampling.py --codecs h264 --gops 48 --seconds 600 --sizes 1080p

Every contender opens the clip, takes 8 frames and leaves them as RGB arrays of 336 pixels on the short side. They take
turns, each in a process of its own that stays warm, in a new order each round; the table gives medians, and ratios to
the prototype's loop (higher is faster). Peak
memory is that of a process of its own. Peers belong in an environment of their own, with this repository on its
PYTHONPATH: `pip install torch==2.13.0 && pip install --no-deps torchcodec==0.13.0 && pip install decord2
opencv-python-headless av pillow matplotlib`. What is missing is named as missing.
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
from sampling_contenders import Contender, Job, contenders, floor_seconds, ours
from sampling_processes import Contestant, Failed

SLOW_SECONDS = 20.0  # what took longer than this once is not run again


def main() -> None:
    options = _options()
    if options.one:
        _run_once(options.one, Path(options.clip), options.threads)
        return
    options.clips.mkdir(parents=True, exist_ok=True)
    present = [contender for contender in contenders() if not contender.missing]
    for contender in contenders():
        if contender.missing:
            print(f"missing: {contender.name} ({contender.missing})")
    print(_header(present))
    contestants = [Contestant(contender) for contender in present]
    rows = []
    for case in _cases(options):
        row = _measure(case, clip_for(case, options.clips), present, contestants, options)
        print(_line(row, present), flush=True)
        rows.append(row)
        _write(options.out, rows, present)
    for contestant in contestants:
        contestant.end()
    print(f"\nwrote {options.out}.json" + (f" and {options.out}.png" if _plot(options.out, rows, present) else ""))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codecs", nargs="+", choices=CODECS, default=["h264", "hevc", "vp9", "av1"])
    parser.add_argument("--gops", nargs="+", type=int, default=[48, 250])
    parser.add_argument("--seconds", nargs="+", type=int, default=[10, 60])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["1080p"])
    parser.add_argument("--full", action="store_true", help="all sizes, and 10 minutes too")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
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
    floor = []
    order = random.Random(case.name)
    for _ in range(options.rounds):
        for contestant in order.sample(contestants, len(contestants)):
            taken = seconds[contestant.name]
            if contestant.name in failed or (taken and max(taken) > SLOW_SECONDS):
                continue
            try:
                taken.append(contestant.seconds(job))
            except Failed as failure:
                failed[contestant.name] = str(failure)
        floor.append(floor_seconds(job))
    medians = {name: statistics.median(taken) for name, taken in seconds.items() if taken and name not in failed}
    return {
        "case": case.name,
        "seconds": medians,
        "runs": {name: len(taken) for name, taken in seconds.items()},
        "failed": failed,
        "floor_seconds": statistics.median(floor),
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


def _ratio(row: dict[str, Any], name: str) -> float | None:
    seconds = row["seconds"]
    return seconds["prototype"] / seconds[name] if name in seconds and "prototype" in seconds else None


def _best_peer(row: dict[str, Any], present: list[Contender]) -> float | None:
    """How many times as fast as the fastest exact peer ours is."""
    peers = [row["seconds"][c.name] for c in present if c.exact and c.name != "ours" and c.name in row["seconds"]]
    return min(peers) / row["seconds"]["ours"] if peers else None


def _header(present: list[Contender]) -> str:
    names = "".join(f"{contender.name:>24}" for contender in present)
    return f"{'clip':<28}{names}{'ours/best peer':>16}{'floor/ours':>12}"


def _line(row: dict[str, Any], present: list[Contender]) -> str:
    cells = []
    for contender in present:
        ratio = _ratio(row, contender.name)
        if contender.name in row["failed"]:
            cells.append("failed")
        elif ratio is None:
            cells.append("-")
        else:
            memory = row["peak_mib"].get(contender.name)
            milliseconds = 1000 * row["seconds"][contender.name]
            cells.append(f"{milliseconds:.0f} ms {ratio:.1f}x" + (f" {memory}M" if memory else ""))
    best = _best_peer(row, present)
    floor = row["floor_seconds"] / row["seconds"]["ours"]
    tail = f"{best:>15.2f}x" if best else f"{'-':>16}"
    return f"{row['case']:<28}" + "".join(f"{cell:>24}" for cell in cells) + f"{tail}{floor:>11.2f}x"


def _write(out: Path, rows: list[dict[str, Any]], present: list[Contender]) -> None:
    facts = {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "missing": {contender.name: contender.missing for contender in contenders() if contender.missing},
        "rows": [
            row
            | {
                "ratio_to_prototype": {c.name: _ratio(row, c.name) for c in present},
                "ratio_to_best_peer": _best_peer(row, present),
            }
            for row in rows
        ],
    }
    out.with_suffix(".json").write_text(json.dumps(facts, indent=1))


def _plot(out: Path, rows: list[dict[str, Any]], present: list[Contender]) -> bool:
    """Draw the ratios as grouped bars; False where matplotlib is missing."""
    try:
        import matplotlib  # noqa: PLC0415
    except ImportError:
        print("missing: matplotlib, so no plot")
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    figure, axes = pyplot.subplots(figsize=(10, 1 + 0.9 * len(rows)))
    shown = [contender for contender in present if contender.name != "prototype"]
    thickness = 0.8 / len(shown)
    for place, contender in enumerate(shown):
        ratios = [_ratio(row, contender.name) or 0.0 for row in rows]
        axes.barh([n + place * thickness for n in range(len(rows))], ratios, thickness, label=contender.name)
    axes.set_yticks([n + 0.4 for n in range(len(rows))], [row["case"] for row in rows])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_xlabel("times as fast as the prototype's loop")
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(out.with_suffix(".png"), dpi=120)
    return True


if __name__ == "__main__":
    main()
