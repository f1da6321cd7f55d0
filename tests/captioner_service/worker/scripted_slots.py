"""A slot engine without a model, for the worker process of tests: writes words, does to itself what a clip asks for.

The prompt of a clip is its script: `words` (the default), `die` (kill -9 at its prefill), `die once PATH` (only where
PATH does not exist yet), `hang` (a step that never ends), `lost` (the device is lost at its second token), `fail`,
`unfit`, `unpreparable`.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from captioner_service.clip import Clip
from captioner_service.engines.engine import ModelCard
from captioner_service.worker.generation import Ending, Generation
from captioner_service.worker.slot_engine import DeviceLost, OnProgress, Unfit


class ScriptedSlots:
    """A `SlotEngine`. options: slots, step_seconds, canary (tokens, or a file whose size is the token), refuse."""

    device = "none"

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._slots = int(options.get("slots", 4))
        self._pace = threading.Event()
        self.live: list[Generation] = []

    def load(self, on_progress: OnProgress) -> ModelCard:
        if self._options.get("refuse"):
            raise ValueError("CAPTIONER_MODEL names nothing")
        if self._options.get("die_loading"):
            os.kill(os.getpid(), signal.SIGKILL)
        on_progress(0.5, "half of nothing")
        return ModelCard(
            "scripted", "words", "1", "none", 8, 4, 8, 4096, self._slots, "Writes words that nobody has seen."
        )

    def canary(self) -> Sequence[int]:
        changing = self._options.get("canary_file")
        return [Path(changing).stat().st_size] if changing else [1, 2, 3]

    def prepare(self, clip: Clip) -> tuple[Any, int]:
        script = clip.prompt.text
        if script == "unfit":
            raise Unfit("Send fewer frames.", field="frames")
        if script == "unpreparable":
            raise RuntimeError("a fault of the processor")
        return (script, int(clip.frames.sum())), len(clip.frames)

    def decode(self, tokens: list[int]) -> str:
        return "".join(f" w{token}" for token in tokens)

    @property
    def free(self) -> int:
        return self._slots - len(self.live)

    def admit(self, generation: Generation) -> bool:
        script, total = generation.prepared
        if script == "die" or (script.startswith("die once") and _first_time(script.removeprefix("die once "))):
            os.kill(os.getpid(), signal.SIGKILL)
        if script == "fail":
            generation.ending = Ending.FAILED
            return True
        generation.take(total + generation.options.seed, is_last=False)
        if generation.ending is None:
            self.live.append(generation)
        return True

    def step(self) -> Sequence[Generation]:
        for row in self.live:
            row.check_wanted()
        if any(row.prepared[0] == "hang" for row in self.live):
            threading.Event().wait()
        if any(row.prepared[0] == "lost" for row in self.live):
            raise DeviceLost("illegal memory access")
        self._pace.wait(float(self._options.get("step_seconds", 0.0)))
        for row in self.live:
            if row.ending is None:
                row.take(row.tokens[0] + len(row.tokens), is_last=False)
        self.live = [row for row in self.live if row.ending is None]
        return ()


def _first_time(path: str) -> bool:
    if Path(path).exists():
        return False
    Path(path).touch()
    return True


def make(options: dict[str, Any]) -> ScriptedSlots:
    return ScriptedSlots(options)
