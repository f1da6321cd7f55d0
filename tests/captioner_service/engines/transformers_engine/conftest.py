"""Small checkpoints of all families, and engines that have loaded them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def checkpoints(checkpoint: Callable[[str], Path]) -> Path:
    """A folder of checkpoints, named for their families."""
    from tiny_checkpoints import FAMILIES

    (folder,) = {checkpoint(family).parent for family in FAMILIES}
    return folder


@pytest.fixture(scope="session")
def load_engine(checkpoints: Path) -> Callable[..., Any]:
    """Loads the engine of a family, or of another folder, and warms it up."""
    from captioner_service.engines.transformers import entry

    def load(family: str | Path, **options: Any) -> Any:
        settings = {"max_slots": 4, "context_tokens": 1024, "threads": 1, "reserve_gib": 0.0}
        engine = entry.make({"model": str(checkpoints / family), **settings, **options})
        engine.load(lambda part, what: None)
        return engine

    return load


@pytest.fixture
def engine(load_engine: Callable[..., Any]) -> Any:
    """LLaVA-NeXT-Video in four slots."""
    return load_engine("llava_next_video")
