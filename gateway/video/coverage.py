"""Measuring how much of a time range the sampled frames stand for."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from gateway.video.frame_table import FrameTable, Span
from gateway.video.manifest import Coverage


def measure_coverage(table: FrameTable, span: Span, indices: Sequence[int], requested: int) -> Coverage:
    """Coverage of `span` by the frames at `indices` (ascending, at least one); `Coverage` defines its fields."""
    time_base = table.time_base
    reach = (span.end - span.start) / (2 * requested)
    covered = Fraction(0)
    reached = span.start
    for index in indices:
        begin = max(reached, table.pts[index] - reach)
        end = min(span.end, table.frame_end(index) + reach)
        if end > begin:
            covered += end - begin
            reached = end
    edges = [span.start, *(Fraction(table.pts[index]) for index in indices), span.end]
    longest = max(b - a for a, b in pairwise(edges))
    return Coverage(
        first_seconds=float((table.pts[indices[0]] - table.start) * time_base),
        last_seconds=float((table.pts[indices[-1]] - table.start) * time_base),
        longest_gap_seconds=float(max(longest, Fraction(0)) * time_base),
        covered_share=float(min(Fraction(1), covered / (span.end - span.start))),
    )
