"""Results for people: summary, tags with bars, evidence and frames, in 80 columns, with or without a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vidtomusictags.command.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.video.manifest import Manifest as Sampling
    from gateway.video.sampled import SampledClip
    from vidtomusictags.client.caption import Caption, CaptionProvenance
    from vidtomusictags.client.classification import Classification, Tag
    from vidtomusictags.client.manifest import Manifest
    from vidtomusictags.client.result import TaggedVideo, Timings

_BAR_CELLS = 20
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def stdout() -> Console:
    """The console for results. Numbers are not coloured; only what we style is."""
    return Console(highlight=False)


def print_tagged(console: Console, name: str, tagged: TaggedVideo) -> None:
    """Everything about one tagged video."""
    _print_title(console, name, tagged.manifest)
    print_summary(console, tagged.caption)
    print_classification(console, tagged.classification)
    print_frames(console, tagged.manifest)
    if tagged.warnings:
        _section(console, "Warnings", _bullets(tagged.warnings, mark="!", style="yellow"))
    _section(console, "Made by", _provenance(tagged))


def print_caption(console: Console, name: str, caption: Caption, manifest: Manifest | Sampling) -> None:
    """A summary, the frames it is made of and what made it."""
    _print_title(console, name, manifest)
    print_summary(console, caption)
    print_frames(console, manifest)
    if warnings := [warning.message for warning in manifest.warnings]:
        _section(console, "Warnings", _bullets(warnings, mark="!", style="yellow"))
    _section(console, "Made by", _pairs([("captioner", _captioner(caption.provenance))]))


def print_sampled(console: Console, clip: SampledClip, out: Path) -> None:
    """Which frames were taken, and where they went."""
    _print_title(console, str(out), clip.manifest)
    print_frames(console, clip.manifest)
    if warnings := [warning.message for warning in clip.manifest.warnings]:
        _section(console, "Warnings", _bullets(warnings, mark="!", style="yellow"))


def print_summary(console: Console, caption: Caption) -> None:
    """The text of a summary."""
    cut = " (cut at the token limit)" if caption.cut else ""
    _section(console, f"Summary{cut}", Text(printable(caption.text)))


def print_classification(console: Console, found: Classification) -> None:
    """Tags with bars, evidence, key information and reasoning."""
    title = f"Tags · {found.taxonomy.id} {found.taxonomy.version}"
    if not found.tags:
        _section(console, title, Text("No tag of the taxonomy is supported well enough."))
    else:
        _section(console, title, _tags(found.tags))
    if evidence := [(tag.label, span.quote) for tag in found.tags for span in tag.evidence]:
        _section(console, "Evidence", _pairs(evidence, quote=True))
    if found.key_information:
        _section(console, "Key information", _bullets(found.key_information))
    if found.reasoning:
        _section(console, "Reasoning", Text(printable(found.reasoning)))


def print_frames(console: Console, manifest: Manifest | Sampling) -> None:
    """Which frames were looked at, and what they cover."""
    table = _table()
    for heading in ("frame", "time", "aimed at"):
        table.add_column(heading, justify="right")
    table.add_column("why")
    for frame in manifest.frames:
        times = (f"{frame.time_seconds:.3f} s", f"{frame.target_seconds:.3f} s")
        table.add_row(str(frame.index), *times, Text(printable(frame.reason)))
    coverage = manifest.coverage
    covers = f"{coverage.covered_share:.0%} covered, longest gap {coverage.longest_gap_seconds:.1f} s"
    count = f"{len(manifest.frames)} of {manifest.requested_frames}"
    _section(console, f"Frames · {manifest.sampler}, {count}, {covers}", table)


def bar(share: float) -> str:
    """A bar of `_BAR_CELLS` cells for a share of 0 to 1, in steps of an eighth of a cell."""
    eighths = round(min(max(share, 0.0), 1.0) * _BAR_CELLS * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(_BAR_CELLS, "·")


def _print_title(console: Console, name: str, manifest: Manifest | Sampling) -> None:
    video = manifest.video
    facts = f"{video.codec} {video.display_width}x{video.display_height}, {video.duration_seconds:.1f} s"
    console.rule(Text(printable(f"{name} · {facts}"), style="bold"), align="left", characters="─")


def _captioner(made: CaptionProvenance) -> str:
    prompt = f"{made.prompt_name} {made.prompt_version}".strip()
    return f"{made.engine}, {made.model}, revision {made.revision}, prompt {prompt}"


def _tags(tags: Sequence[Tag]) -> Table:
    table = _table(header=False)
    table.add_column("label", style="bold", overflow="fold")
    table.add_column("bar", style="green", no_wrap=True)
    table.add_column("confidence", justify="right", no_wrap=True)
    table.add_column("facet", style="dim")
    table.add_column("id", style="dim", overflow="fold")
    for tag in tags:
        facet, name = Text(printable(tag.facet)), Text(printable(tag.id))
        table.add_row(Text(printable(tag.label)), bar(tag.confidence), f"{tag.confidence:.2f}", facet, name)
    return table


def _provenance(tagged: TaggedVideo) -> Table:
    classifier = tagged.provenance.classifier
    rows = [
        ("captioner", _captioner(tagged.provenance.captioner)),
        ("classifier", f"{classifier.engine}, {classifier.model}, revision {classifier.revision}"),
        ("gateway", f"{tagged.provenance.gateway_version}, request {tagged.request_id}"),
        ("time", _times(tagged.timings)),
    ]
    return _pairs(rows)


def _times(timings: Timings) -> str:
    stages = {
        "receiving": timings.receiving_seconds,
        "sampling": timings.sampling_seconds,
        "describing": timings.captioning_seconds,
        "tagging": timings.classifying_seconds,
    }
    parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in stages.items() if seconds is not None)
    return f"{timings.total_seconds:.2f} s ({parts})"


def _section(console: Console, title: str, content: RenderableType) -> None:
    console.print()
    console.print(Text(printable(title), style="bold cyan"))
    console.print(Padding(content, (0, 0, 0, 2), expand=False))


def _table(*, header: bool = True) -> Table:
    return Table(box=None, show_header=header, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))


def _pairs(rows: Iterable[tuple[str, str]], *, quote: bool = False) -> Table:
    table = _table(header=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(Text(printable(name)), Text(f"“{printable(text)}”" if quote else printable(text)))
    return table


def _bullets(lines: Iterable[str], *, mark: str = "•", style: str = "") -> Table:
    table = _table(header=False)
    table.add_column(no_wrap=True, style=style)
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(mark, Text(printable(line)))
    return table
