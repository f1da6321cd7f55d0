"""The worker's loop: running texts flow on while others come in, and idle slots fill quickly."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from worker_scripts import clip_of

from captioner_service.worker.generation import Generation
from captioner_service.worker.messages import Done, Message
from captioner_service.worker.owner import Owner
from captioner_service.worker.slot_engine import DeviceLost
from captioner_service.worker.text_stream import TextStream


class CountingEngine:
    """Notes what it is asked for, in order; ends the loop once nothing is left."""

    device = "none"

    def __init__(self, slots: int, *, evict: int | None = None) -> None:
        self.slots, self.evict = slots, evict
        self.live: list[Generation] = []
        self.calls = ""
        self.left = 0

    @property
    def free(self) -> int:
        return self.slots - len(self.live)

    def admit(self, generation: Generation) -> bool:
        self.calls += "p"
        generation.take(len(generation.tokens), is_last=False)
        self.live += [generation] if generation.ending is None else []
        return True

    def step(self) -> Sequence[Generation]:
        self.calls += "s"
        for row in self.live:
            row.take(len(row.tokens), is_last=False)
        ended = [row for row in self.live if row.ending is not None]
        self.live = [row for row in self.live if row.ending is None]
        self.left -= len(ended)
        if not self.left:
            raise DeviceLost("all is done")
        if self.evict is not None and any(row.id == self.evict for row in self.live):
            evicted = [row for row in self.live if row.id == self.evict]
            self.live = [row for row in self.live if row.id != self.evict]
            self.evict = None
            return evicted
        return ()


def run(engine: Any, lengths: Sequence[int]) -> list[Message]:
    """Runs the loop over clips of these lengths, all there at the start."""
    told: list[Message] = []
    owner = Owner(engine, told.extend)
    engine.left = len(lengths)
    for number, length in enumerate(lengths):
        text: TextStream[int] = TextStream(lambda tokens: "".join(f" w{token}" for token in tokens))
        options = clip_of(tokens=length).options
        generation = Generation(number, options, None, 4, text, float("inf"), owner.hear)
        owner.arrive(generation, since=time.monotonic())
    with pytest.raises(DeviceLost):
        owner.run()
    owner._collect()
    return [*told, *owner._news]


def test_between_two_steps_one_clip_is_read_while_most_slots_are_taken() -> None:
    engine = CountingEngine(slots=4)
    run(engine, [30, 3, 3, 3, 9, 9, 9, 9, 9])
    assert "ppp" not in engine.calls
    assert max(len(prefills) for prefills in engine.calls.split("s")[2:]) == 1


def test_idle_slots_fill_in_a_few_steps() -> None:
    engine = CountingEngine(slots=32)
    run(engine, [20] * 32)
    assert engine.calls.index("s") == 9, "a first reader does not wait for all the others"
    until_full = engine.calls[: engine.calls.rindex("p")]
    assert engine.calls.count("p") == 32 and until_full.count("s") <= 12


def test_one_that_lost_its_slot_is_the_next_to_get_one() -> None:
    engine = CountingEngine(slots=2, evict=1)
    told = run(engine, [6, 6, 6])
    done = [message for message in told if isinstance(message, Done)]
    assert sorted(message.id for message in done) == [0, 1, 2]
    assert all(message.text.split() == [f"w{n}" for n in range(6)] for message in done)
    assert [message.id for message in done].index(1) < [message.id for message in done].index(2)
