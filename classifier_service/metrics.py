"""What the classifier counts, beside its calls."""

from __future__ import annotations

from classifier_service.engines.instructor.metrics import BREAKER_OPEN, REASKS
from vidtomusictags.rpc.metrics import Counter
from vidtomusictags.rpc.upstream_meter import UPSTREAM_METRICS
from vidtomusictags.rpc.work_metrics import COMPLETION_TOKENS, MODEL, PROMPT_TOKENS

COUNTED = {
    "attempts": Counter("vidtags_attempts_total", "Requests to the model, re-asks included.", ("engine",)),
    "prompt_tokens": PROMPT_TOKENS,
    "cached_prompt_tokens": Counter(
        "vidtags_cached_prompt_tokens_total", "Tokens of prompts that the provider had cached.", ("engine",)
    ),
    "completion_tokens": COMPLETION_TOKENS,
    "usd": Counter("vidtags_usd_total", "Estimated cost in US dollars.", ("engine",)),
}
"""What the log line of a call says of its cost, and metrics add up."""
METRICS = (*COUNTED.values(), MODEL, REASKS, BREAKER_OPEN, *UPSTREAM_METRICS)
