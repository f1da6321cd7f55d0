"""The birth of a warm worker: importing this imports what it needs before it can load a model; then it works."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when transformers is imported; no test may reach for the hub

from captioner_service.engines.transformers.torchvision_shim import declare_missing_operators

declare_missing_operators()

import transformers as hf  # noqa: E402  # only now can it be imported

# transformers imports its parts when they are named; these bring what all families share.
PARTS = (hf.AutoModelForImageTextToText, hf.AutoProcessor, hf.LlavaNextVideoForConditionalGeneration)


def work(theirs: socket.socket, environment: Mapping[str, str]) -> None:
    """As `python -m captioner_service.worker`, over this end of the socket."""
    from captioner_service.worker.__main__ import main  # only in the worker: what is forked has none of our code

    os.environ.update(environment)
    sys.argv = ["captioner_service.worker", str(theirs.detach())]
    sys.exit(main())
