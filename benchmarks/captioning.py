"""How much in-flight slots gain: the same clips one at a time, in static batches and in flight, as ratios of one run.

    python benchmarks/captioning.py                                   # a small model on the CPU
    python benchmarks/captioning.py --device cuda --slots 1,8,16,32   # LLaVA-NeXT-Video-7B at full size, random weights

Lengths of text are log-normal (median 55 tokens, as captions are: many short, a few long), the same for all ways; every
text is forced to its length. Every round runs all ways; the table has medians. On a CPU seconds are processor time of
one thread, as the machine may be shared.
"""

from __future__ import annotations

import argparse
import os
import statistics
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from captioner_service.engines.transformers.torchvision_shim import declare_missing_operators

declare_missing_operators()

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from captioning_models import full_size_model, small_model  # noqa: E402
from captioning_ways import Clock, Load, Run, in_batches, in_flight  # noqa: E402

from captioner_service.clip import Clip, Prompt  # noqa: E402
from captioner_service.engines.transformers.inputs import InputMaker  # noqa: E402
from captioner_service.engines.transformers.prefill import Prefiller  # noqa: E402
from captioner_service.engines.transformers.sizing import bytes_per_token  # noqa: E402


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--slots", default="1,2,4,8,16", help="slots and sizes of static batches")
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--longest", type=int, default=256, help="most tokens of a text")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", type=int, default=0, help="clips run one at a time; the rest is scaled (0: all)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    device = torch.device("cuda:0" if arguments.device == "cuda" else "cpu")
    model, processor = full_size_model(device) if device.type == "cuda" else small_model()
    load = make_load(processor, arguments.clips, arguments.frames, arguments.longest)
    clock = Clock(device)
    in_batches(model, Load(load.prompts[:1], [8]), 1, clock)  # the first call sets up kernels
    print(
        f"{len(load.prompts)} clips of {load.prompts[0].prompt_tokens} tokens, {load.tokens} tokens to write, "
        f"longest {max(load.lengths)}; {describe(device)}"
    )
    alone: list[Run] = []
    static: dict[int, list[Run]] = {slots: [] for slots in map(int, arguments.slots.split(","))}
    ours: dict[int, list[Run]] = {slots: [] for slots in static}
    for _ in range(arguments.rounds):
        alone.append(run_alone(model, load, arguments.alone or len(load.prompts), clock))
        for slots, runs in static.items():
            runs.append(in_batches(model, load, slots, clock))
            ours[slots].append(in_flight(model, load, slots, clock, lambda tokens: ""))
    print(f"{'':18}{'tok/s':>8}{'x alone':>9}{'x static':>9}{'mean s':>8}{'p95 s':>8}{'slot use':>9}{'ms/step':>9}")
    show("one at a time", load, alone, alone, None, 1)
    for slots, runs in static.items():
        show(f"static {slots}", load, runs, alone, None, slots)
        show(f"in flight {slots}", load, ours[slots], alone, runs, slots)
        if device.type == "cuda":
            print_floor(model, load, ours[slots][-1], device)


def make_load(processor: Any, clips: int, frames: int, longest: int) -> Load:
    """Random clips of one size with one question, and their lengths of text."""
    chance = np.random.default_rng(0)
    lengths = np.clip(np.round(chance.lognormal(4.0, 0.7, clips)), 8, longest).astype(int).tolist()
    inputs = InputMaker(processor)
    prompt = Prompt("concise", "1", "What is happening?")
    seconds = [n / 2 for n in range(frames)]
    pictures = [chance.integers(0, 255, (frames, 72, 96, 3), dtype=np.uint8) for _ in range(clips)]
    return Load([inputs.prepare(Clip(picture, seconds, prompt)) for picture in pictures], lengths)


def run_alone(model: Any, load: Load, clips: int, clock: Clock) -> Run:
    """The prototype's way; of fewer clips, scaled by tokens to all."""
    part = Load(load.prompts[:clips], load.lengths[:clips])
    run = in_batches(model, part, 1, clock)
    scale = load.tokens / part.tokens
    run.seconds, run.steps, run.row_steps = run.seconds * scale, round(run.steps * scale), round(run.row_steps * scale)
    run.completions = [seconds * scale for seconds in run.completions]
    return run


def show(name: str, load: Load, runs: list[Run], alone: list[Run], static: list[Run] | None, slots: int) -> None:
    """One line of the table: medians over the rounds, ratios taken within each round."""
    rate = statistics.median(load.tokens / run.seconds for run in runs)
    mean = statistics.median(statistics.fmean(run.completions) for run in runs)
    p95 = statistics.median(float(np.percentile(run.completions, 95)) for run in runs)
    against = f"{_ratio(static, runs):9.2f}" if static else f"{'':9}"
    step = statistics.median(1000 * run.decode_seconds / run.steps for run in runs)
    use = runs[0].row_steps / (runs[0].steps * slots)
    print(
        f"{name:18}{rate:8.0f}{_ratio(alone, runs):9.2f}{against}{mean:8.2f}{p95:8.2f}{use:9.0%}"
        + (f"{step:9.1f}" if step else ""),
        flush=True,
    )


def _ratio(slower: list[Run], faster: list[Run]) -> float:
    return statistics.median(one.seconds / other.seconds for one, other in zip(slower, faster, strict=True))


def print_floor(model: Any, load: Load, run: Run, device: torch.device) -> None:
    """How near a decode step is to reading weights and cache once from memory."""
    weights = sum(
        p.numel() * p.element_size()
        for n, p in model.named_parameters()
        if "vision" not in n and "embed_tokens" not in n
    )
    cache = bytes_per_token(Prefiller(model, kept_clips=0).read(load.prompts[0]))
    rows = run.row_steps / run.steps
    tokens = rows * (load.prompts[0].prompt_tokens + statistics.fmean(load.lengths) / 2)
    floor = 1000 * (weights + tokens * cache) / bandwidth(device)
    step = 1000 * run.decode_seconds / run.steps
    peak = torch.cuda.max_memory_allocated(device) / 2**30
    print(f"{'':18}floor {floor:.1f} ms a step at {rows:.1f} rows; ours {step / floor:.2f} x that; peak {peak:.1f} GiB")


def bandwidth(device: torch.device) -> float:
    """Bytes a second that the card reads and writes, measured with a copy of 2 GiB."""
    source = torch.empty(2**31, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    target.copy_(source)
    begin.record()
    for _ in range(5):
        target.copy_(source)
    end.record()
    torch.cuda.synchronize(device)
    return 5 * 2 * 2**31 / (begin.elapsed_time(end) / 1000)


def describe(device: torch.device) -> str:
    """What it ran on."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, {bandwidth(device) / 1e12:.2f} TB/s measured"
    return "CPU, one thread, processor time"


if __name__ == "__main__":
    main()
