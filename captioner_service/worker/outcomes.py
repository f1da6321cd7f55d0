"""A clip on its way through a worker, and what its caller is told in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from captioner_service.clip import Caption, FinishReason
from captioner_service.describer import Described
from captioner_service.worker.generation import Ending
from captioner_service.worker.messages import Add, Done
from vidtomusictags.rpc import failures
from vidtomusictags.rpc.admission import with_jitter

LIVES = 2
"""Workers that a clip may lose: one that kills every worker is told so instead of being tried for ever."""


@dataclass(eq=False)
class Item:
    """A clip on its way. file: its frames, shared. add: what the worker is told."""

    add: Add
    file: int
    on_text: Callable[[str], None] | None
    done: asyncio.Future[Described]
    since: float
    ends_at: float
    sent_at: float = 0.0
    lives: int = LIVES
    heard: bool = False
    """Whether a piece of text has left; a clip is not described a second time after that."""


def resolve(item: Item, message: Done) -> None:
    """Gives the caller the text, or why there is none."""
    ending = Ending(message.ending)
    if ending is Ending.OUT_OF_MEMORY:
        item.done.set_exception(
            failures.OutOfMemory("The clip does not fit into the memory of the model's device; send fewer frames.")
        )
    elif ending is Ending.EXPIRED:
        item.done.set_exception(too_late())
    elif ending not in (Ending.STOP, Ending.LENGTH):
        item.done.set_exception(not_described())
    else:
        reason = FinishReason.STOP if ending is Ending.STOP else FinishReason.LENGTH
        item.done.set_result(
            Described(
                Caption(message.text, reason, message.prompt_tokens, message.completion_tokens),
                queue_seconds=item.sent_at - item.since + message.waited_seconds,
                generate_seconds=message.prefill_seconds + message.decode_seconds,
                batch_size=message.batch_size,
                prefill_seconds=message.prefill_seconds,
                decode_seconds=message.decode_seconds,
                reused_tokens=message.reused_tokens,
            )
        )


def not_described() -> failures.Failure:
    """The model failed on this clip."""
    return failures.CaptioningFailed("The model could not describe this clip; send other frames, or try again once.")


def too_late() -> failures.Failure:
    """The caller's time ran out."""
    return failures.DeadlineExceeded("The text was not finished in time; allow more time or ask for fewer tokens.")


def worker_lost(retry_after_seconds: float) -> failures.Failure:
    """The model's process is gone."""
    return failures.WorkerLost(
        "The model is being started again; send the clip once more after the delay.",
        retry_after_seconds=with_jitter(retry_after_seconds),
    )
