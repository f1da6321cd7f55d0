"""What fetching comes to: bytes as they arrive, requests and videos by how they ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from vidtomusictags.rpc import failures
from vidtomusictags.rpc.failures import Failure, known_reason
from vidtomusictags.rpc.metrics import NO_METER, Counter, Meter

BYTES = Counter("vidtags_remote_bytes_total", "Bytes of videos that came from servers and stores.", ("scheme",))
REQUESTS = Counter(
    "vidtags_remote_requests_total",
    "Requests to servers and stores: `ok`, `left` unfinished, or the reason of their failure.",
    ("scheme", "outcome"),
)
VIDEOS = Counter(
    "vidtags_remote_videos_total",
    "Videos that URIs named there: `ok`, `left` by their call, or the reason why they could not be fetched.",
    ("scheme", "outcome"),
)
REMOTE_METRICS = (BYTES, REQUESTS, VIDEOS)
OK, LEFT = "ok", "left"

_OF_FETCHING = (
    *(failures.RemoteUnavailable, failures.RemoteTimeout, failures.RemoteForbidden, failures.RemoteInvalid),
    *(failures.VideoNotFound, failures.VideoChanged, failures.VideoTooLarge, failures.UriRefused),
    *(failures.SpoolFull, failures.CallerLimited),
)
"""What can keep a video from being fetched; whatever else its call ends with has to do with what was fetched."""


class Fetch:
    """A request that is under way."""

    def __init__(self, fetches: Fetches, scheme: str) -> None:
        self._fetches = fetches
        self._scheme = scheme
        self._ended = False

    def arrived(self, size: int) -> None:
        """So many bytes came in. Raises what whoever counts them for the caller raises, such as CallerLimited."""
        self._fetches.arrived(self._scheme, size)

    def ended(self, outcome: str = OK) -> None:
        """It is over; what follows while its answer is still open is not about it."""
        if not self._ended:
            self._ended = True
            self._fetches.ended(self._scheme, outcome)


class Fetches:
    """Told of everything that is fetched. arriving: told the size in bytes of each piece, within the call that is for.

    Bytes are counted when they come, not when they are used: a request that is refused half-way has been paid for.
    """

    def __init__(self, meter: Meter = NO_METER, arriving: Callable[[int], None] | None = None) -> None:
        self._meter = meter
        self._arriving = arriving

    def expect(self, schemes: Iterable[str]) -> None:
        """Nothing of these has been fetched or has failed yet: told as 0, else the first would be no increase."""
        for scheme in schemes:
            self._meter.add(BYTES, scheme, by=0)
            self._meter.add(REQUESTS, scheme, OK, by=0)
            for outcome in (OK, *(failure.reason for failure in _OF_FETCHING)):
                self._meter.add(VIDEOS, scheme, outcome, by=0)

    @contextmanager
    def request(self, scheme: str) -> Iterator[Fetch]:
        """A request for the length of the block; its outcome is how it leaves that, unless it has ended before."""
        fetch = Fetch(self, scheme)
        try:
            yield fetch
        except Failure as failure:
            fetch.ended(known_reason(failure.reason))
            raise
        except BaseException:
            fetch.ended(LEFT)
            raise
        fetch.ended()

    @contextmanager
    def video(self, scheme: str) -> Iterator[None]:
        """The use of one video, for the length of the block."""
        outcome = LEFT
        try:
            yield
            outcome = OK
        except _OF_FETCHING as failure:
            outcome = known_reason(failure.reason)
            raise
        except Exception:  # of the video itself, or of its call; it was fetched
            outcome = OK
            raise
        finally:
            self._meter.add(VIDEOS, scheme, outcome)

    def arrived(self, scheme: str, size: int) -> None:
        """See `Fetch.arrived`."""
        self._meter.add(BYTES, scheme, by=size)
        if self._arriving is not None:
            self._arriving(size)

    def ended(self, scheme: str, outcome: str) -> None:
        """See `Fetch.ended`."""
        self._meter.add(REQUESTS, scheme, outcome)


UNCOUNTED = Fetches()
