"""How much in-flight slots gain: the same clips one at a time, in static batches and in flight, as ratios of one run.

    python benchmarks/captioning.py                           # a small model on the CPU
    python benchmarks/captioning.py --device cuda --model 7b --slots 1,8,16,32 --alone 4 --rounds 1 --decoding both
    python benchmarks/captioning.py --model shape --clips 4 --longest 24 --slots 2 --rounds 1   # tries the line above

`7b` is LLaVA-NeXT-Video-7B at full size with random weights in bf16, on which the time of a step does not depend.
`shape` is the same but for few and narrow layers. For both, each line of ours is followed by the floor of a decode
step, which is what it must read (weights once, the cache of all rows once) over the bandwidth of memory as measured by
copying, how far ours is from it, and the peak of the card's memory. "One at a time" is how the prototype generates,
in bf16; the prototype's FP4 is not used here.

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
from captioning_floor import (  # noqa: E402
    cache_bytes_per_token,
    floor_seconds,
    mean_cached_tokens,
    measured_bandwidth,
    stated_bandwidth,
    weight_bytes,
)
from captioning_models import full_size_model, small_model  # noqa: E402
from captioning_ways import Clock, Load, Run, in_batches, in_flight, open_slots  # noqa: E402

from captioner_service.clip import Clip, Prompt  # noqa: E402
from captioner_service.engines.transformers.inputs import InputMaker  # noqa: E402


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--model", choices=["small", "7b", "shape"], help="7b with --device cuda, else small")
    parser.add_argument("--decoding", choices=["eager", "compiled", "both"], default="eager", help="how ours steps")
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
    size = arguments.model or ("7b" if device.type == "cuda" else "small")
    model, processor = small_model() if size == "small" else full_size_model(device, shape=size == "shape")
    model.to(device)
    load = make_load(processor, arguments.clips, arguments.frames, arguments.longest)
    clock = Clock(device)
    in_batches(model, Load(load.prompts[:1], [8]), 1, clock)  # the first call sets up kernels
    bandwidth = measured_bandwidth(device, mebibytes=2048 if device.type == "cuda" else 256)
    print(
        f"{len(load.prompts)} clips of {load.prompts[0].prompt_tokens} tokens, {load.tokens} tokens to write, "
        f"longest {max(load.lengths)}; {describe(device, bandwidth)}"
    )
    decodings = ["eager", "compiled"] if arguments.decoding == "both" else [arguments.decoding]
    alone: list[Run] = []
    static: dict[int, list[Run]] = {slots: [] for slots in map(int, arguments.slots.split(","))}
    ours: dict[tuple[int, str], list[Run]] = {(slots, how): [] for slots in static for how in decodings}
    for _ in range(arguments.rounds):
        alone.append(run_alone(model, load, arguments.alone or len(load.prompts), clock))
        for slots, runs in static.items():
            runs.append(in_batches(model, load, slots, clock))
            for how in decodings:
                if device.type == "cuda":
                    torch.cuda.reset_peak_memory_stats(device)
                table = open_slots(model, load, slots, how)
                if table.decoding != how:
                    print(f"{slots} slots could not be {how}: they were {table.decoding}")
                run = in_flight(model, load, table, slots, clock)
                run.peak_bytes = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
                ours[slots, how].append(run)
                del table  # its cache would stand in the way of the next one's
    print(f"{'':18}{'tok/s':>8}{'x alone':>9}{'x static':>9}{'mean s':>8}{'p95 s':>8}{'slot use':>9}{'ms/step':>9}")
    show("one at a time", load, alone, alone, None, 1)
    for slots, runs in static.items():
        show(f"static {slots}", load, runs, alone, None, slots)
        for how in decodings:
            name = f"in flight {slots}" if how == "eager" else f"compiled {slots}"
            show(name, load, ours[slots, how], alone, runs, slots)
            if size != "small":
                print_floor(model, load, ours[slots, how][-1], bandwidth)


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


def print_floor(model: Any, load: Load, run: Run, bandwidth: float) -> None:
    """How near a decode step is to reading weights and cache once from memory."""
    prompts = [prompt.prompt_tokens for prompt in load.prompts]
    weights, a_token = weight_bytes(model), cache_bytes_per_token(model)
    cached = mean_cached_tokens(prompts, load.lengths, run.steps)
    floor = floor_seconds(weights=weights, cached_tokens=cached, bytes_per_token=a_token, bytes_per_second=bandwidth)
    step = run.decode_seconds / run.steps
    gib = 2**30
    print(
        f"{'':18}floor {1000 * floor:.2f} ms a step at {run.row_steps / run.steps:.1f} rows "
        f"({weights / gib:.2f} GiB of weights, {cached * a_token / gib:.2f} GiB of cache); "
        f"ours {step / floor:.2f} x that" + (f"; peak {run.peak_bytes / gib:.1f} GiB" if run.peak_bytes else "")
    )


def describe(device: torch.device, bandwidth: float) -> str:
    """What it ran on."""
    if device.type != "cuda":
        return f"CPU, one thread, processor time, {bandwidth / 1e9:.1f} GB/s measured"
    card = torch.cuda.get_device_name(device)
    stated = stated_bandwidth(card)
    memory = torch.cuda.get_device_properties(device).total_memory / 2**30
    return f"{card}, {memory:.0f} GiB, {bandwidth / 1e12:.2f} TB/s measured, " + (
        f"{stated / 1e12:.2f} stated" if stated else "what it should have is not known here"
    )


if __name__ == "__main__":
    main()
