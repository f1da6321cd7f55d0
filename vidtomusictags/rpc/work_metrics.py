"""What several services count under one name: what waits, what works, what was spent, what had to be replaced."""

from __future__ import annotations

from vidtomusictags.rpc.metrics import Counter, Gauge, Histogram

QUEUE_LENGTH = Gauge("vidtags_queue_length", "Work that waits: clips for a slot, videos for a decoder.")
QUEUE_SECONDS = Histogram("vidtags_queue_seconds", "How long a clip waited for its slot, a video for its decoder.")
SLOTS = Gauge("vidtags_slots", "Work that can be done at once: clips described, videos decoded; 0 while loading.")
SLOTS_USED = Gauge("vidtags_slots_used", "How many of these are in use.")
RESTARTS = Counter("vidtags_worker_restarts_total", "Processes that had to be replaced, by cause.", ("cause",))
PROMPT_TOKENS = Counter("vidtags_prompt_tokens_total", "Tokens of prompts, those of frames included.", ("engine",))
MODEL = Gauge("vidtags_model_info", "Always 1; which model answers.", ("engine", "model", "revision"))
COMPLETION_TOKENS = Counter("vidtags_completion_tokens_total", "Tokens of texts and answers.", ("engine",))
