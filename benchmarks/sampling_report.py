"""What the sampling benchmark found, as lines, as a Markdown table and as a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Row = dict[str, Any]
PROTOTYPE, OURS, SNAP = "prototype", "ours", "ours, snap"


def ratio(row: Row, name: str) -> float | None:
    """How many times as fast as the prototype's loop that contender is."""
    seconds = row["seconds"]
    return seconds[PROTOTYPE] / seconds[name] if name in seconds and PROTOTYPE in seconds else None


def lead(row: Row) -> float | None:
    """How many times as fast as the fastest exact peer ours is."""
    peers = [row["seconds"][name] for name in row["exact_peers"] if name in row["seconds"]]
    return min(peers) / row["seconds"][OURS] if peers and OURS in row["seconds"] else None


def header(names: list[str]) -> str:
    """The names above the lines."""
    tail = f"{'ours/best peer':>16}{'prefixes/ours':>15}{'needed/ours':>13}{'decoded':>14}"
    return f"{'clip':<28}" + "".join(f"{name:>24}" for name in names) + tail


def line(row: Row, names: list[str]) -> str:
    """One row for the terminal."""
    cells = "".join(f"{_cell(row, name):>24}" for name in names)
    best, prefixes, needed = lead(row), _floor(row, "prefixes"), _floor(row, "needed")
    tail = f"{_times(best, 2):>16}{_times(prefixes, 2):>15}{_times(needed, 2):>13}{_decoded(row):>14}"
    return f"{row['case']:<28}{cells}{tail}"


def markdown(rows: list[Row], names: list[str]) -> str:
    """All rows as a Markdown table."""
    titles = ["clip", *names, "ours / best exact peer", "prefixes / ours", "needed / ours", "decoded"]
    lines = ["| " + " | ".join(titles) + " |", "| --- " * len(titles) + "|"]
    for row in rows:
        cells = [row["case"], *(_cell(row, name) for name in names)]
        cells += [_times(lead(row), 2), _times(_floor(row, "prefixes"), 2), _times(_floor(row, "needed"), 2)]
        lines.append("| " + " | ".join([*cells, _decoded(row)]) + " |")
    return "\n".join(lines) + "\n"


def plot(path: Path, rows: list[Row], names: list[str]) -> bool:
    """Draw the ratios as grouped bars; False where matplotlib is missing."""
    try:
        import matplotlib  # noqa: PLC0415
    except ImportError:
        print("missing: matplotlib, so no plot")
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    rows = [row for row in rows if PROTOTYPE in row["seconds"]]
    shown = [name for name in names if name != PROTOTYPE]
    figure, axes = pyplot.subplots(figsize=(10, 1.5 + 0.7 * len(rows)))
    thickness = 0.85 / len(shown)
    for place, name in enumerate(shown):
        ratios = [ratio(row, name) or 0.0 for row in rows]
        axes.barh([n + place * thickness for n in range(len(rows))], ratios, thickness, label=name)
    axes.set_yticks([n + 0.4 for n in range(len(rows))], [row["case"] for row in rows])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_xlabel("times as fast as the prototype's loop")
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    return True


def _cell(row: Row, name: str) -> str:
    if name in row["failed"]:
        return "failed"
    if name not in row["seconds"]:
        return "-"
    memory = row["peak_mib"].get(name)
    text = f"{1000 * row['seconds'][name]:.0f} ms"
    times = ratio(row, name)
    text += f" {times:.1f}x" if times else ""
    return text + (f" {memory}M" if memory else "")


def _floor(row: Row, which: str) -> float | None:
    return row["floor"][which] / row["seconds"][OURS] if OURS in row["seconds"] else None


def _times(value: float | None, digits: int) -> str:
    return f"{value:.{digits}f}x" if value else "-"


def _decoded(row: Row) -> str:
    return f"{row['effort']['packets_decoded']} of {row['frames']}"
