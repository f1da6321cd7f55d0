"""The table of `vidtags top`: one line for each replica, with as many columns as the terminal has room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from vidtomusictags.command.rates import Rates
from vidtomusictags.command.sighting import READY, UNREACHABLE, Sighting
from vidtomusictags.command.text import printable

_STYLES = {READY: "green", UNREACHABLE: "red"}
_MUCH = 0.9
"""Share of slots or calls from which on they are shown as a warning."""


@dataclass(frozen=True)
class Seen:
    """A replica and how fast it goes."""

    sighting: Sighting
    rates: Rates


def top_table(seen: Sequence[Seen], console: Console) -> RenderableType:
    """All replicas, and below what is the matter with those that are in trouble."""
    troubles = [
        Text(f"{one.sighting.replica.service.value} {printable(one.sighting.replica.address)}: ", style="red").append(
            printable(one.sighting.why), style="default"
        )
        for one in seen
        if one.sighting.why
    ]
    table = _widest(seen, console)
    return Group(Text(_title(seen), style="bold"), Text(), table, *([Text(), *troubles] if troubles else []))


def _widest(seen: Sequence[Seen], console: Console) -> Table:
    """With all the columns that there is room for; the least important ones are left out first."""
    table, boundless = Table(), console.options.update(max_width=10_000)
    for rank in range(max(column.rank for column in _COLUMNS), -1, -1):
        table = _table(seen, [column for column in _COLUMNS if column.rank <= rank])
        if console.measure(table, options=boundless).maximum <= console.width:
            break
    return table


def _table(seen: Sequence[Seen], columns: Sequence[_Column]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("SERVICE", "ADDRESS"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    for column in columns:
        table.add_column(column.title, justify=column.justify, no_wrap=True, overflow="ellipsis")
    for one in seen:
        replica = one.sighting.replica
        table.add_row(replica.service.value, printable(replica.address), *(column.cell(one) for column in columns))
    return table


def _title(seen: Sequence[Seen]) -> str:
    ready = sum(one.sighting.state == READY for one in seen)
    done = sum(one.rates.done or 0.0 for one in seen if one.sighting.replica.service.value == "gateway")
    waiting = sum(one.sighting.queue or 0.0 for one in seen)
    return f"{ready} of {len(seen)} replicas ready · {60 * done:.0f} clips a minute · {waiting:.0f} waiting"


@dataclass(frozen=True)
class _Column:
    """title: its heading. rank: 0 for the most important. justify: numbers stand to the right."""

    title: str
    cell: Callable[[Seen], Text]
    rank: int = 0
    justify: Literal["left", "right"] = "right"


def _state(seen: Seen) -> Text:
    return Text(seen.sighting.state, style=_STYLES.get(seen.sighting.state, "yellow"))


def _queue(seen: Seen) -> Text:
    return _number(seen.sighting.queue, style="yellow" if seen.sighting.queue else "")


def _p95(seen: Seen) -> Text:
    seconds = seen.rates.p95_seconds
    if seconds is None:
        return _number(None)
    return Text(f"{1000 * seconds:.0f}ms" if seconds < 1 else f"{seconds:.1f}s")


def _errors(seen: Seen) -> Text:
    failed = seen.rates.failed
    return _number(None) if failed is None else Text(f"{100 * failed:.0f}%", style="red" if failed else "")


def _sheds(seen: Seen) -> Text:
    return _number(seen.rates.sheds, 1, style="yellow" if seen.rates.sheds else "")


def _memory(seen: Seen) -> Text:
    size = seen.sighting.memory_bytes
    if size is None:
        return _number(None)
    return Text(f"{size / 2**20:.0f}M" if size < 2**30 else f"{size / 2**30:.1f}G")


def _number(value: float | None, digits: int = 0, style: str = "") -> Text:
    return Text("-", style="dim") if value is None else Text(f"{value:.{digits}f}", style=style)


def _of(used: float | None, most: float | None) -> Text:
    if used is None or most is None:
        return _number(None)
    return Text(f"{used:.0f}/{most:.0f}", style="yellow" if most and used >= _MUCH * most else "")


_COLUMNS: Sequence[_Column] = (
    _Column("STATE", _state, justify="left"),
    _Column("SLOTS", lambda seen: _of(seen.sighting.slots_used, seen.sighting.slots), 1),
    _Column("QUEUE", _queue, 1),
    _Column("CALLS", lambda seen: _of(seen.sighting.running, seen.sighting.limit), 2),
    _Column("/s", lambda seen: _number(seen.rates.calls, 1), 2),
    _Column("p95", _p95, 3),
    _Column("ERR", _errors, 3),
    _Column("SHED/s", _sheds, 4),
    _Column("TOK/s", lambda seen: _number(seen.rates.completion_tokens), 5),
    _Column("MEM", _memory, 6),
    _Column("MODEL", lambda seen: Text(printable(seen.sighting.model)), 7, "left"),
    _Column("VERSION", lambda seen: Text(printable(seen.sighting.version)), 8, "left"),
)
