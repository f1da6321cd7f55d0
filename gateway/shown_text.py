"""The text of a summary as the caller has seen it, while the captioner may have to begin it anew."""

from __future__ import annotations

from collections.abc import Callable


class ShownText:
    """Passes the pieces of a text on, each of its words once, over all attempts at it.

    The same frames, prompt and seed give the same text, so an attempt after the first repeats what was shown already:
    that is checked and left out. Where it differs after all, it is shown from its beginning, and marked as such.

    show: given a piece, and whether the text begins anew with it.
    """

    def __init__(self, show: Callable[[str, bool], None]) -> None:
        self._show = show
        self._shown = ""
        self._text = ""

    def begin(self) -> None:
        """Another attempt at the text."""
        self._text = ""

    def add(self, piece: str) -> None:
        """The next piece of the present attempt."""
        self._text += piece
        if self._text.startswith(self._shown):
            self._tell(self._text[len(self._shown) :], anew=False)
        elif not self._shown.startswith(self._text):
            self._tell(self._text, anew=True)

    def end(self) -> None:
        """The present attempt has said all: what was shown beyond it does not count."""
        if self._shown != self._text:
            self._tell(self._text, anew=True)

    def _tell(self, piece: str, *, anew: bool) -> None:
        self._shown = self._text
        if piece or anew:
            self._show(piece, anew)
