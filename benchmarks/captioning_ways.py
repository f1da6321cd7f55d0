"""Three ways to describe the same clips with the same model: one at a time, in static batches, in flight."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from captioner_service.clip import GenerationOptions
from captioner_service.engines.transformers.inputs import Prepared
from captioner_service.engines.transformers.options import Decoding
from captioner_service.engines.transformers.prefill import Prefiller
from captioner_service.engines.transformers.slots import Slots
from captioner_service.worker.generation import Generation
from captioner_service.worker.text_stream import TextStream


@dataclass(frozen=True)
class Load:
    """Prepared clips of one shape, and how many tokens are to be written for each, no more and no fewer."""

    prompts: Sequence[Prepared]
    lengths: Sequence[int]

    @property
    def tokens(self) -> int:
        """All tokens to be written."""
        return sum(self.lengths)


@dataclass
class Run:
    """What one way took. completions: seconds from the start to the end of each clip. steps: decode steps.
    peak_bytes: most memory of the card; 0 on a CPU.
    """

    seconds: float = 0.0
    steps: int = 0
    row_steps: int = 0
    decode_seconds: float = 0.0
    peak_bytes: int = 0
    completions: list[float] = field(default_factory=list)


class Clock:
    """Seconds of processor time on a CPU, where others may run beside us; of the wall on a card, when it is done."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            return time.perf_counter()
        return time.process_time()


def in_batches(model: Any, load: Load, size: int, clock: Clock) -> Run:
    """`generate` on groups in order of arrival: nobody leaves before the longest. Size 1 is the prototype's way."""
    run, began = Run(), clock.now()
    for start in range(0, len(load.prompts), size):
        group = load.prompts[start : start + size]
        lengths = load.lengths[start : start + size]
        inputs = {
            name: torch.cat([prompt.tensors[name] for prompt in group]).to(model.device) for name in group[0].tensors
        }
        with torch.inference_mode():
            model.generate(**inputs, max_new_tokens=max(lengths), min_new_tokens=max(lengths), do_sample=False)
        run.steps += max(lengths)
        run.row_steps += sum(lengths)
        run.completions += [clock.now() - began] * len(group)
    run.seconds = clock.now() - began
    return run


def open_slots(model: Any, load: Load, slots: int, decoding: Decoding) -> Slots:
    """Slots for a load, warmed up."""
    example = Prefiller(model, kept_clips=0).read(load.prompts[0])
    longest = max(load.lengths) + max(prompt.prompt_tokens for prompt in load.prompts)
    table = Slots(model, example, slots=slots, length=longest, end_tokens=frozenset(), decoding=decoding)
    table.warm_up()
    return table


def in_flight(model: Any, load: Load, table: Slots, slots: int, clock: Clock) -> Run:
    """Ours: as the worker runs it, one process, everything at hand at the start. Tokens are not turned into words."""
    run, steps = Run(), table.steps
    prefiller = Prefiller(model, kept_clips=0)
    waiting = deque(
        Generation(
            number,
            GenerationOptions(max_new_tokens=length),
            prompt,
            prompt.prompt_tokens,
            TextStream(lambda tokens: ""),
            float("inf"),
            lambda generation, text: None,
        )
        for number, (prompt, length) in enumerate(zip(load.prompts, load.lengths, strict=True))
    )
    everything = list(waiting)
    ended: set[int] = set()
    began = clock.now()
    while waiting or table.live:
        free = slots - len(table.live)
        for _ in range(min(free, len(waiting), 1 + free // 4)):
            generation = waiting.popleft()
            table.join(generation, prefiller.read(generation.prepared))
        rows, before = len(table.live), clock.now()
        table.step()
        run.decode_seconds += clock.now() - before
        run.row_steps += rows
        for generation in everything:
            if generation.ending is not None and generation.id not in ended:
                ended.add(generation.id)
                run.completions.append(clock.now() - began)
    run.seconds, run.steps = clock.now() - began, table.steps - steps
    return run
