"""What the engine counts of its models, beside the attempts at them."""

from __future__ import annotations

from classifier_service.engines.instructor.breaker import Breaker
from vidtomusictags.rpc.metrics import Counter, Gauge, Meter

REASKS = Counter("vidtags_reasks_total", "Answers that broke the rules, so that the model was asked again.")
BREAKER_OPEN = Gauge(
    "vidtags_breaker_open", "1 while a model is left alone because it failed too often in a row.", ("upstream",)
)


def watch_breaker(meter: Meter, upstream: str, breaker: Breaker) -> None:
    """From now on the state is read from the breaker. upstream: the model, as provider/model."""
    meter.watch(BREAKER_OPEN, lambda: float(breaker.open), upstream)
