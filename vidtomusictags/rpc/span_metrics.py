"""What becomes of spans."""

from __future__ import annotations

from vidtomusictags.rpc.metrics import Counter

SPANS = Counter("vidtags_spans_total", "Spans that were handed to the collector or lost on the way.", ("outcome",))
SENT, LOST = "sent", "lost"
