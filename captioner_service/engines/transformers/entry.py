"""The worker's entry: makes torchvision importable before anything imports transformers."""

from __future__ import annotations

import logging
from typing import Any

from captioner_service.engines.transformers.torchvision_shim import declare_missing_operators
from captioner_service.worker.slot_engine import SlotEngine


def make(options: dict[str, Any]) -> SlotEngine:
    """The transformers engine, not loaded, from `TransformersOptions`' fields. Raises ValueError without torch."""
    try:
        declare_missing_operators()
    except ModuleNotFoundError as error:
        raise ValueError(
            "the transformers captioner needs PyTorch: pip install 'vidtomusictags[captioner-transformers]'"
        ) from error
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # says for every layer that int8 casts its input
    from captioner_service.engines.transformers.engine import TransformersEngine  # noqa: PLC0415
    from captioner_service.engines.transformers.options import TransformersOptions  # noqa: PLC0415

    return TransformersEngine(TransformersOptions(**options))
