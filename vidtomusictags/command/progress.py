"""Progress on stderr: a bar that moves where a terminal is watching, else a line for each stage."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.text import Text

from vidtomusictags.command.text import printable

if TYPE_CHECKING:
    from types import TracebackType

    from vidtomusictags.client.tagging import Progress, TextPiece

_STAGES = {
    "receiving": "sending the video",
    "sampling": "sampling frames",
    "captioning": "describing",
    "classifying": "tagging",
}


class Reporter(Protocol):
    """Told how one video fares."""

    def progress(self, progress: Progress) -> None:
        """The work has come this far."""

    def frames(self, done: int, total: int) -> None:
        """So many of `total` frames are sampled, and nothing but that is told."""

    def text(self, piece: TextPiece) -> None:
        """The next piece of the summary."""


def reporting(name: str, *, quiet: bool = False, console: Console | None = None) -> AbstractContextManager[Reporter]:
    """A reporter for the video called `name` for the length of the block; its display is gone afterwards."""
    console = console or Console(stderr=True, highlight=False)
    if quiet:
        return nullcontext(_Silent())
    return _Display(name, console) if console.is_terminal else nullcontext(_Lines(name, console))


class _Silent:
    def progress(self, progress: Progress) -> None:
        pass

    def frames(self, done: int, total: int) -> None:
        pass

    def text(self, piece: TextPiece) -> None:
        pass


class _Lines:
    def __init__(self, name: str, console: Console) -> None:
        self._name = name
        self._console = console
        self._stage = ""

    def progress(self, progress: Progress) -> None:
        self._enter(progress.stage)

    def frames(self, done: int, total: int) -> None:
        self._enter("sampling")

    def _enter(self, stage: str) -> None:
        if stage != self._stage:
            self._stage = stage
            line = f"{self._name}: {_STAGES.get(stage, stage)}"
            self._console.print(Text(printable(line)), soft_wrap=True)

    def text(self, piece: TextPiece) -> None:
        pass


class _Display:
    """A bar for the whole work, and under it the summary as it is written."""

    def __init__(self, name: str, console: Console) -> None:
        self._bars = Bars(
            TextColumn("{task.description}", style="bold"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=console,
            expand=True,
        )
        self._task = self._bars.add_task("starting", total=100)
        self._name = Text(printable(name), style="dim", no_wrap=True, overflow="ellipsis")
        self._summary = Text("", style="italic")
        self._live = Live(Group(self._name, self._bars, self._summary), console=console, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def progress(self, progress: Progress) -> None:
        description = f"{_STAGES.get(progress.stage, progress.stage):<17}"
        self._bars.update(self._task, description=description, completed=progress.percent)

    def frames(self, done: int, total: int) -> None:
        self._bars.update(self._task, description=f"{_STAGES['sampling']:<17}", completed=100 * done / max(total, 1))

    def text(self, piece: TextPiece) -> None:
        if piece.restarts:
            self._summary.truncate(0)
        self._summary.append(printable(piece))
