"""What the captioner counts, beside its calls."""

from __future__ import annotations

from captioner_service.describer import Condition, Described, Describer
from captioner_service.engines.engine import ModelCard
from vidtomusictags.rpc.metrics import SIZE_BUCKETS, Counter, Gauge, Histogram, Meter
from vidtomusictags.rpc.tracing import Attributes
from vidtomusictags.rpc.upstream_meter import UPSTREAM_METRICS
from vidtomusictags.rpc.work_metrics import (
    COMPLETION_TOKENS,
    MODEL,
    PROMPT_TOKENS,
    QUEUE_LENGTH,
    QUEUE_SECONDS,
    RESTARTS,
    SLOTS,
    SLOTS_USED,
)

FIRST_TEXT_SECONDS = Histogram("vidtags_first_text_seconds", "From a clip's arrival to the first text about it.")
GENERATE_SECONDS = Histogram("vidtags_generate_seconds", "From a clip's slot to the end of its text.")
BATCH_CLIPS = Histogram(
    "vidtags_batch_clips", "Clips described together with a clip, itself included.", buckets=SIZE_BUCKETS
)
REUSED_TOKENS = Counter(
    "vidtags_reused_prompt_tokens_total", "Tokens of prompts that did not have to be read again.", ("engine",)
)
MODEL_STATE = Gauge(
    "vidtags_model_state", "1 for the state that the model is in: loading, ready, restarting or lost.", ("state",)
)
LOAD_SECONDS = Gauge("vidtags_model_load_seconds", "How long the model took to load at the start; 0 until then.")
METRICS = (
    QUEUE_LENGTH,
    SLOTS,
    SLOTS_USED,
    QUEUE_SECONDS,
    FIRST_TEXT_SECONDS,
    GENERATE_SECONDS,
    BATCH_CLIPS,
    PROMPT_TOKENS,
    REUSED_TOKENS,
    COMPLETION_TOKENS,
    RESTARTS,
    MODEL,
    MODEL_STATE,
    LOAD_SECONDS,
    *UPSTREAM_METRICS,
)

LOADING = "loading"
_STATES = (LOADING, *(condition.value for condition in Condition))


def watch(meter: Meter, describer: Describer) -> None:
    """From now on the line and the slots are read from the describer."""
    meter.watch(QUEUE_LENGTH, lambda: describer.occupancy.waiting)
    meter.watch(SLOTS, lambda: describer.occupancy.slots)
    meter.watch(SLOTS_USED, lambda: describer.occupancy.slots_used)


def count(meter: Meter, described: Described, engine: str) -> None:
    """One clip more."""
    caption = described.caption
    # Engines that do not tell reading and writing apart give their text all at once.
    until_text = described.prefill_seconds if described.decode_seconds else described.generate_seconds
    meter.observe(QUEUE_SECONDS, described.queue_seconds)
    meter.observe(FIRST_TEXT_SECONDS, described.queue_seconds + until_text)
    meter.observe(GENERATE_SECONDS, described.generate_seconds)
    meter.observe(BATCH_CLIPS, described.batch_size)
    meter.add(PROMPT_TOKENS, engine, by=caption.prompt_tokens)
    meter.add(REUSED_TOKENS, engine, by=described.reused_tokens)
    meter.add(COMPLETION_TOKENS, engine, by=caption.completion_tokens)


class ModelState:
    """Which state the model is in, as a metric."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._now = LOADING
        self._load_seconds = 0.0
        for state in _STATES:
            meter.watch(MODEL_STATE, lambda state=state: float(self._now == state), state)  # type: ignore[misc]
        meter.watch(LOAD_SECONDS, lambda: self._load_seconds)

    def loaded(self, card: ModelCard, seconds: float) -> None:
        """It was loaded for the first time, within so long."""
        self._meter.add(MODEL, card.engine, card.model, card.revision)
        self._now, self._load_seconds = Condition.READY.value, seconds

    def changed(self, condition: Condition) -> None:
        """It is otherwise now."""
        self._now = condition.value


def attributes(described: Described, card: ModelCard, *, window: int, frames: int) -> Attributes:
    """What the span of a description says of it: how it came about, and nothing of what it says."""
    caption = described.caption
    return {
        "gen_ai.request.model": card.model,
        "gen_ai.response.finish_reasons": caption.finish_reason.value,
        "gen_ai.usage.input_tokens": caption.prompt_tokens,
        "gen_ai.usage.output_tokens": caption.completion_tokens,
        "vidtags.engine": card.engine,
        "vidtags.window": window,
        "vidtags.frames": frames,
        "vidtags.batch_clips": described.batch_size,
        "vidtags.queue_seconds": described.queue_seconds,
        "vidtags.prefill_seconds": described.prefill_seconds,
        "vidtags.decode_seconds": described.decode_seconds,
        "vidtags.generate_seconds": described.generate_seconds,
    }
