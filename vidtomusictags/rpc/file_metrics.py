"""What becomes of files that are read anew when they change, and when a certificate runs out."""

from __future__ import annotations

from collections.abc import Callable

from vidtomusictags.rpc.metrics import Counter, Gauge, Meter

CERTIFICATE_ENDS = Gauge(
    "vidtags_certificate_expiry_timestamp_seconds",
    "When the certificate in use runs out, as Unix time: that of the `listener`, or the one shown to an `upstream`.",
    ("use",),
)
RELOADS = Counter(
    "vidtags_reloads_total",
    "Readings of files that had changed: `ok`, or `failed`, which leaves the old in use and is repeated.",
    ("what", "outcome"),
)
FILE_METRICS = (CERTIFICATE_ENDS, RELOADS)
LISTENER, UPSTREAM = "listener", "upstream"
OK, FAILED = "ok", "failed"


def counting_reloads(meter: Meter, what: str) -> Callable[[bool], None]:
    """For `Reloading`. what: as the log calls these files."""
    for outcome in (OK, FAILED):
        meter.add(RELOADS, what, outcome, by=0)
    return lambda usable: meter.add(RELOADS, what, OK if usable else FAILED)
