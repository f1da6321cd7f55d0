"""What the service and its worker tell each other: one JSON object a line, plain values only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from captioner_service.clip import Clip, GenerationOptions, Prompt
from captioner_service.engines.engine import ModelCard


@dataclass(frozen=True)
class Start:
    """To the worker, first: which engine. factory: `module:function`, called with `options`."""

    factory: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Add:
    """To the worker: a clip. Its frames travel beside the line, as an open file of shape[0] * ... * shape[3] bytes."""

    id: int
    shape: Sequence[int]
    pts_seconds: Sequence[float]
    prompt: Mapping[str, str]
    options: Mapping[str, Any]
    seconds_left: float

    @classmethod
    def of(cls, id: int, clip: Clip, *, seconds_left: float) -> Add:
        """The message for a clip."""
        options = asdict(clip.options)
        return cls(id, clip.frames.shape, list(clip.pts_seconds), asdict(clip.prompt), options, seconds_left)

    def clip(self, frames: Any) -> Clip:
        """The clip again, with the frames that came beside."""
        return Clip(frames, self.pts_seconds, Prompt(**self.prompt), GenerationOptions(**self.options))


@dataclass(frozen=True)
class Cancel:
    """To the worker: nobody waits for this clip any more."""

    id: int


@dataclass(frozen=True)
class Loading:
    """From the worker: how far the loading is. part: 0 to 1."""

    part: float
    what: str


@dataclass(frozen=True)
class Ready:
    """From the worker: warmed up. canary: tokens of a fixed clip. device: which kind of device made them."""

    card: Mapping[str, Any]
    canary: Sequence[int]
    device: str

    def model_card(self) -> ModelCard:
        """The card as the engine gave it."""
        return ModelCard(**self.card)


@dataclass(frozen=True)
class Refused:
    """From the worker: the engine cannot be loaded as it is set; trying again would not help."""

    message: str


@dataclass(frozen=True)
class Beat:
    """From the worker, at least once a second: the owner of the model is not stuck. slots: as many as may be filled."""

    live: int
    slots: int


@dataclass(frozen=True)
class Text:
    """From the worker: the next piece of a clip's text."""

    id: int
    text: str


@dataclass(frozen=True)
class Done:
    """From the worker: a clip has ended. ending: a value of `Ending`. waited_seconds: from `Add` to its prefill."""

    id: int
    ending: str
    text: str
    prompt_tokens: int
    completion_tokens: int
    reused_tokens: int
    batch_size: int
    waited_seconds: float
    prefill_seconds: float
    decode_seconds: float


@dataclass(frozen=True)
class Rejected:
    """From the worker: a clip with its options is more than the model takes. field: what to change."""

    id: int
    message: str
    field: str


Message = Start | Add | Cancel | Loading | Ready | Refused | Beat | Text | Done | Rejected

_KINDS: Mapping[str, type[Any]] = {
    kind.__name__: kind for kind in (Start, Add, Cancel, Loading, Ready, Refused, Beat, Text, Done, Rejected)
}


def to_line(message: Message) -> bytes:
    """The message as a line, its end included."""
    return json.dumps({"kind": type(message).__name__, **asdict(message)}).encode() + b"\n"


def from_line(line: bytes) -> Message:
    """The message of a line. Raises KeyError or ValueError for anything else."""
    values = json.loads(line)
    message: Message = _KINDS[values.pop("kind")](**values)
    return message
