"""What the gateway counts, beside its calls."""

from __future__ import annotations

from gateway.sources.fetches import REMOTE_METRICS
from gateway.spool import Spool
from gateway.spool_metrics import UPLOAD_BYTES
from gateway.video.sandbox import Sandbox
from gateway.video.sandbox_metrics import DECODE_SECONDS, Cause
from vidtomusictags.rpc.metrics import Gauge, Meter
from vidtomusictags.rpc.upstream_meter import UPSTREAM_METRICS
from vidtomusictags.rpc.work_metrics import QUEUE_LENGTH, QUEUE_SECONDS, RESTARTS, SLOTS, SLOTS_USED

SPOOL_BYTES = Gauge("vidtags_spool_bytes", "Room of the spool that uploads take, announced bytes included.")
SPOOL_LIMIT = Gauge("vidtags_spool_limit_bytes", "Room that all uploads together may take.")
METRICS = (
    QUEUE_LENGTH,
    QUEUE_SECONDS,
    SLOTS,
    SLOTS_USED,
    RESTARTS,
    DECODE_SECONDS,
    SPOOL_BYTES,
    SPOOL_LIMIT,
    UPLOAD_BYTES,
    *REMOTE_METRICS,
    *UPSTREAM_METRICS,
)


def watch(meter: Meter, sandbox: Sandbox, spool: Spool) -> None:
    """From now on the line in front of the decoders, the decoders and the spool are read from what holds them."""
    for cause in Cause:
        meter.add(RESTARTS, cause, by=0)
    meter.watch(QUEUE_LENGTH, lambda: sandbox.waiting)
    meter.watch(SLOTS, lambda: sandbox.limits.workers)
    meter.watch(SLOTS_USED, lambda: sandbox.busy)
    meter.watch(SPOOL_BYTES, lambda: spool.used_bytes)
    meter.watch(SPOOL_LIMIT, lambda: spool.max_total_bytes)
