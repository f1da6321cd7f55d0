"""How fast things go, by two looks at one replica."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vidtomusictags.command.sighting import Sighting


@dataclass(frozen=True)
class Rates:
    """Between two looks. calls, done (those that ended well), sheds and tokens a second; failed: share of the calls;
    p95 in seconds.

    None where nothing is known: a share and a percentile of no call at all, too.
    """

    calls: float | None = None
    done: float | None = None
    failed: float | None = None
    sheds: float | None = None
    completion_tokens: float | None = None
    p95_seconds: float | None = None


def rates(earlier: Sighting | None, later: Sighting) -> Rates:
    """Nothing is known of a replica that was seen once, or has begun anew in between."""
    if earlier is None or earlier.totals is None or later.totals is None or later.at <= earlier.at:
        return Rates()
    before, after = earlier.totals, later.totals
    calls = after.calls - before.calls
    if calls < 0:
        return Rates()
    seconds = later.at - earlier.at
    return Rates(
        calls=calls / seconds,
        done=(after.done - before.done) / seconds,
        failed=(after.failed - before.failed) / calls if calls else None,
        sheds=(after.sheds - before.sheds) / seconds,
        completion_tokens=(after.completion_tokens - before.completion_tokens) / seconds,
        p95_seconds=quantile(
            0.95, {bound: count - before.buckets.get(bound, 0.0) for bound, count in after.buckets.items()}
        ),
    )


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """As Prometheus's histogram_quantile: evenly within a bucket; of the last, its lower bound. None without values.

    buckets: upper bounds, and how many values are up to them.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if not total:
        return None
    below, counted = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= share * total:
            inside = buckets[bound] - counted
            if bound == float("inf") or not inside:
                return below
            return below + (bound - below) * (share * total - counted) / inside
        below, counted = bound, buckets[bound]
    return below
