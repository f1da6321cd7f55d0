"""The fields of the gateway's requests, where its own parts and the other services know them by other names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vidtomusictags.rpc.failures import Failure

_OF_PLANS = {
    "sampler": "options.sampling.sampler",
    "frames": "options.sampling.frames",
    "start_seconds": "options.sampling.range.start",
    "end_seconds": "options.sampling.range.end",
}


@contextmanager
def naming_fields_of_the_request() -> Iterator[None]:
    """Failures that leave the block name a field of the request where they named one of a sampling plan."""
    try:
        yield
    except Failure as failure:
        failure.field = _OF_PLANS.get(failure.field, failure.field)
        raise


def field_of_the_request(service: str, field: str) -> str:
    """The field of a TagVideo or TagUpload config that became `field` of a request to the captioner or classifier."""
    if service == "classifier" and field.startswith("options."):
        return f"options.classify.{field.removeprefix('options.')}"
    return f"options.{field.removeprefix('config.')}" if field else ""
