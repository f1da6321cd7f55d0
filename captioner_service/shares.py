"""No caller takes more than a share of the calls that run at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from vidtomusictags.rpc.admission import with_jitter
from vidtomusictags.rpc.failures import StreamsFull


class CallerShares:
    """Counts calls by caller. Used on one event loop. at_most: calls of one caller at once; 0: no limit."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._running: Counter[str] = Counter()

    @contextmanager
    def held(self, peer: str) -> Iterator[None]:
        """A call of whoever is at that address, its port left out, for the length of the block. Raises StreamsFull."""
        caller = peer.rpartition(":")[0]
        if self._at_most and self._running[caller] >= self._at_most:
            raise StreamsFull(
                f"{self._at_most} of your calls are running already; try again after the delay.",
                retry_after_seconds=with_jitter(0.5),
            )
        self._running[caller] += 1
        try:
            yield
        finally:
            self._running[caller] -= 1
            self._running += Counter()  # forgets callers that have none
