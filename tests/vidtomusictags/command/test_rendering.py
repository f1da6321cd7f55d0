"""What people are shown."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from vidtomusictags.client.tagging import Progress, TextPiece
from vidtomusictags.command.progress import reporting
from vidtomusictags.command.rendering import bar
from vidtomusictags.command.text import printable


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.0, "·" * 20), (1.0, "█" * 20), (0.5, "█" * 10 + "·" * 10), (0.53125, "█" * 10 + "▋" + "·" * 9)],
)
def test_a_bar_is_as_long_as_its_share(share: float, shown: str) -> None:
    assert bar(share) == shown


def test_a_bar_always_has_the_same_width() -> None:
    assert {len(bar(number / 1000)) for number in range(-10, 1020)} == {20}


def test_control_characters_are_replaced() -> None:
    assert printable("a\x1b[2Jb\nc\u202ed é") == "a�[2Jb\nc�d é"


def test_without_a_terminal_progress_is_a_line_for_each_stage() -> None:
    out = io.StringIO()
    with reporting("clip.mp4", console=Console(file=out)) as reporter:
        for percent in (10, 20, 30):
            reporter.progress(Progress("sampling", 1, 2, percent))
        reporter.text(TextPiece("A dog"))
        reporter.progress(Progress("classifying", 0, 1, 90))
    assert out.getvalue() == "clip.mp4: sampling frames\nclip.mp4: tagging\n"


def test_in_a_terminal_a_bar_moves_and_the_summary_grows_and_both_are_gone_in_the_end() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=60)
    with reporting("clip.mp4", console=console) as reporter:
        reporter.progress(Progress("captioning", 1, 2, 50))
        reporter.text(TextPiece("A dog "))
        reporter.text(TextPiece("runs."))
    shown = out.getvalue()
    assert "describing" in shown and "50%" in shown and "A dog runs." in shown
    assert shown.endswith("\x1b[2K")


def test_a_summary_that_begins_anew_replaces_what_was_shown_of_it() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=60)
    with reporting("clip.mp4", console=console) as reporter:
        reporter.text(TextPiece("A dog "))
        reporter.text(TextPiece("A cat ", restarts=True))
        reporter.text(TextPiece("sleeps."))
    assert "A cat sleeps." in out.getvalue()
    assert "A dog A cat" not in out.getvalue()
