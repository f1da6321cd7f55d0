"""Tokens into text, piece by piece, sending nothing that a later token could still change or take back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

TokenT = TypeVar("TokenT")

_WINDOW = 6
"""Tokens before the new ones that are decoded with them: how a token reads depends on what stands before it."""
_UNFINISHED = "\ufffd"
"""Ends the text of tokens that break off within a character."""


class TextStream(Generic[TokenT]):
    """The text of one generation. The pieces that `push` and `end` return join to `text`.

    decode: tokens to text, special ones left out; tokens may be ids, or pieces of text already. stops: texts before
    which the text ends. White space around the whole is left out.
    """

    def __init__(self, decode: Callable[[list[TokenT]], str], stops: Sequence[str] = ()) -> None:
        self._decode = decode
        self._stops = tuple(stops)
        self._tokens: list[TokenT] = []
        self._read = 0
        self._raw = ""
        self._sent = 0
        self.stopped = False
        """Whether one of `stops` has been reached."""

    @property
    def text(self) -> str:
        """All that has been returned so far."""
        return self._raw[: self._sent].lstrip()

    def push(self, token: TokenT) -> str:
        """Takes the next token; returns what can be sent now, which may be nothing."""
        self._tokens.append(token)
        if not self.stopped:
            self._raw += self._new_text()
            self._cut_at_stop()
        return self._send(len(self._raw) if self.stopped else len(self._raw) - self._held_back())

    def end(self) -> str:
        """No token follows: returns the rest."""
        if not self.stopped:
            self._raw += self._new_text(finished=True)
            self._cut_at_stop()
        return self._send(len(self._raw))

    def _new_text(self, *, finished: bool = False) -> str:
        start = max(0, self._read - _WINDOW)
        before = self._decode(self._tokens[start : self._read])
        both = self._decode(self._tokens[start:])
        if len(both) <= len(before) or (both.endswith(_UNFINISHED) and not finished):
            return ""
        self._read = len(self._tokens)
        return both[len(before) :]

    def _cut_at_stop(self) -> None:
        if not self._stops:
            return
        longest = max(len(stop) for stop in self._stops)
        search_from = max(0, self._sent - longest)
        found = [at for stop in self._stops if (at := self._raw.find(stop, search_from)) >= 0]
        if found:
            self._raw = self._raw[: min(found)]
            self.stopped = True

    def _held_back(self) -> int:
        """Characters at the end that a stop may begin with."""
        if not self._stops:
            return 0
        return max(
            (
                size
                for stop in self._stops
                for size in range(1, min(len(stop), len(self._raw) + 1))
                if self._raw.endswith(stop[:size])
            ),
            default=0,
        )

    def _send(self, end: int) -> str:
        end = len(self._raw[:end].rstrip())  # spaces wait for what follows: at the very end they are left out
        start, self._sent = self._sent, max(self._sent, end)
        piece = self._raw[start : self._sent]
        return piece if self._raw[:start].strip() else piece.lstrip()
