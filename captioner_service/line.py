"""Who may stand in line: nobody behind too many others, nobody who would lose most of their time there."""

from __future__ import annotations

from vidtomusictags.rpc import failures
from vidtomusictags.rpc.admission import WAIT_SHARE, with_jitter

_SMOOTHING = 0.2
"""Weight of the latest clip in the running mean."""


class Line:
    """Knows how long clips take. max_queued: clips that may wait; one more is refused."""

    def __init__(self, max_queued: int) -> None:
        self._max_queued = max_queued
        self._seconds_per_clip = 0.0

    def learn(self, seconds: float) -> None:
        """A clip has held its slot so long."""
        self._seconds_per_clip += (seconds - self._seconds_per_clip) * (_SMOOTHING if self._seconds_per_clip else 1.0)

    def check(self, *, waiting: int, held: int, slots: int, within_seconds: float) -> None:
        """Lets one more clip in, or refuses it at once. Raises QueueFull or WouldMissDeadline.

        waiting: clips that wait. held: those and the ones being described, of which there can be `slots`.
        within_seconds: what the clip's caller has left, of which `WAIT_SHARE` may be waited.
        """
        expected_wait = max(0, held + 1 - slots) * self._seconds_per_clip / max(1, slots)
        if expected_wait > WAIT_SHARE * within_seconds:
            raise failures.WouldMissDeadline(
                f"The clip would wait about {expected_wait:.1f} s, more than half of the {within_seconds:.1f} s that "
                "are left; allow more time or try another replica."
            )
        if waiting >= self._max_queued:
            raise failures.QueueFull(
                f"{self._max_queued} clips are waiting already; try again after the delay.",
                retry_after_seconds=with_jitter(min(max(expected_wait, 0.05), 5.0)),
            )
