"""What the sandbox counts, and why a worker of it is replaced."""

from __future__ import annotations

import enum

from vidtomusictags.rpc.metrics import Histogram

DECODE_SECONDS = Histogram(
    "vidtags_decode_seconds", "How long a worker sampled a video, failures included.", ("sampler",)
)


class Cause(enum.StrEnum):
    """Why a worker is used no more."""

    ABANDONED = "abandoned"
    """Its caller left while it worked, so it was ended."""
    TIMEOUT = "timeout"
    """It took too long, by the clock or in processor time."""
    ENDED = "ended"
    """It ended while it worked: a crash, or more memory than it may have."""
    MALFORMED = "malformed"
    """It gave an answer that makes no sense."""
    WORN = "worn"
    """It has done its number of jobs, or said that it had better not do another."""
