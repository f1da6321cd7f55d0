"""Stops asking a provider that keeps failing, for a while: callers get their failure, or their fall-back, at once."""

from __future__ import annotations

import time
from collections.abc import Callable

from vidtomusictags.rpc.failures import UpstreamUnavailable


class Breaker:
    """Opens after so many failures in a row; after a while it lets one request through, which decides.

    failures: 0 for a breaker that never opens.
    """

    def __init__(self, failures: int, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = failures
        self._seconds = seconds
        self._clock = clock
        self._failed = 0
        self._closed_at = 0.0
        self._trying = False

    @property
    def open(self) -> bool:
        """Whether the provider is left alone now, or one request finds out whether it need be."""
        return bool(self._most) and self._failed >= self._most

    def check(self) -> None:
        """To be called before a request. Raises UpstreamUnavailable while open."""
        if not self._most or self._failed < self._most:
            return
        left = self._closed_at - self._clock()
        if left > 0 or self._trying:
            raise UpstreamUnavailable(
                "The language model failed too often of late and is left alone for a while; try again after the delay.",
                retry_after_seconds=max(left, 1.0),
            )
        self._trying = True

    def succeeded(self) -> None:
        """The provider answered, whatever it said."""
        self._failed, self._trying = 0, False

    def failed(self) -> None:
        """The provider could not be reached, broke down or did not answer in time."""
        self._failed += 1
        self._trying = False
        self._closed_at = self._clock() + self._seconds

    def abandoned(self) -> None:
        """The caller left before the provider answered: nothing is known."""
        self._trying = False
