"""What a replica says of itself at one moment: by its metrics, which tell most, else by its health."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vidtomusictags.command.extras import needing
from vidtomusictags.command.health import readiness
from vidtomusictags.command.replicas import Replica
from vidtomusictags.command.service_settings import ServiceName

if TYPE_CHECKING:
    from prometheus_client.samples import Sample

    from vidtomusictags.rpc.credentials import Credentials

_NAMES = {
    ServiceName.CAPTIONER: "CaptionerService",
    ServiceName.CLASSIFIER: "ClassifierService",
    ServiceName.GATEWAY: "TaggingService",
}
"""As the contract calls them, and metrics too."""
READY, NOT_READY, UNREACHABLE = "ready", "not ready", "unreachable"
_OUR_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
_WORK = ("/Caption", "/CaptionClip", "/Classify", "/TagVideo", "/TagUpload")
"""Methods that do the work; how long the others take says nothing."""
_MAX_PAGE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Totals:
    """What has added up since the replica began. buckets: upper bounds in seconds, and calls of work up to them."""

    calls: float = 0.0
    done: float = 0.0
    failed: float = 0.0
    sheds: float = 0.0
    completion_tokens: float = 0.0
    buckets: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sighting:
    """One replica at one moment. at: monotonic seconds. What it did not tell is None, or empty."""

    replica: Replica
    at: float
    state: str
    why: str = ""
    version: str = ""
    model: str = ""
    slots: float | None = None
    slots_used: float | None = None
    queue: float | None = None
    running: float | None = None
    limit: float | None = None
    memory_bytes: float | None = None
    totals: Totals | None = None


def look(
    replica: Replica, metrics_address: str, within_seconds: float, credentials: Credentials | None = None
) -> Sighting:
    """Blocks for twice `within_seconds` at most: for its metrics, and where there are none for its health.

    credentials: for asking for health. Raises Mistake where the library that reads metrics is missing.
    """
    if replica.fault:
        return Sighting(replica, time.monotonic(), UNREACHABLE, replica.fault)
    try:
        samples = _samples(_page(metrics_address, within_seconds))
    except OSError as error:
        why = f"no metrics at {metrics_address}: {_words(error)}"
    else:
        if {one.labels["service"] for one in samples.get("vidtags_build_info", ())} == {_NAMES[replica.service]}:
            return _read(replica, samples)
        why = f"the metrics at {metrics_address} are not those of a {replica.service}"
    said = readiness(replica.address, credentials, authority=replica.name, within_seconds=within_seconds)
    return Sighting(replica, time.monotonic(), said.state, said.why if said.state == UNREACHABLE else why)


def _page(address: str, within_seconds: float) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=within_seconds) as response:  # http
        return str(response.read(_MAX_PAGE_BYTES).decode(errors="replace"))


def _words(error: OSError) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    return (reason.strerror or str(reason)).lower() if isinstance(reason, OSError) else str(reason)


def _samples(page: str) -> Mapping[str, Sequence[Sample]]:
    """By name. None where the page holds something else."""
    with needing("metrics"):
        from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415
    by_name: dict[str, list[Sample]] = {}
    with suppress(ValueError):
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                by_name.setdefault(sample.name, []).append(sample)
    return by_name


def _read(replica: Replica, by_name: Mapping[str, Sequence[Sample]]) -> Sighting:
    def total(name: str) -> float | None:
        return sum(one.value for one in by_name[name]) if name in by_name else None

    ready = total("vidtags_ready")
    model = by_name.get("vidtags_model_info", ())
    states = [one.labels["state"] for one in by_name.get("vidtags_model_state", ()) if one.value == 1]
    return Sighting(
        replica,
        time.monotonic(),
        READY if ready else NOT_READY,
        why="" if ready else f"the model is {states[0]}" if states and states[0] != READY else "draining, or loading",
        version=by_name["vidtags_build_info"][0].labels["version"],
        model=model[0].labels["model"] if model else "",
        slots=total("vidtags_slots"),
        slots_used=total("vidtags_slots_used"),
        queue=total("vidtags_queue_length"),
        running=total("vidtags_calls_running"),
        limit=total("vidtags_calls_limit"),
        memory_bytes=total("process_resident_memory_bytes"),
        totals=_totals(by_name),
    )


def _totals(by_name: Mapping[str, Sequence[Sample]]) -> Totals:
    calls = [one for one in by_name.get("vidtags_calls_total", ()) if one.labels["method"].endswith(_WORK)]
    buckets: dict[float, float] = {}
    for one in by_name.get("vidtags_call_seconds_bucket", ()):
        if one.labels["method"].endswith(_WORK) and one.labels["code"] == "OK":
            bound = float(one.labels["le"])
            buckets[bound] = buckets.get(bound, 0.0) + one.value
    return Totals(
        calls=sum(one.value for one in calls),
        done=sum(one.value for one in calls if one.labels["code"] == "OK"),
        failed=sum(one.value for one in calls if one.labels["code"] in _OUR_FAULTS),
        sheds=sum(one.value for one in by_name.get("vidtags_sheds_total", ())),
        completion_tokens=sum(one.value for one in by_name.get("vidtags_completion_tokens_total", ())),
        buckets=buckets,
    )
