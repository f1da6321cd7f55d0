"""Small checkpoints of all families, built once, and engines that have loaded them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # under importlib mode nothing else lets tests find their helpers

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when transformers is imported; no test may reach for the hub


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of checkpoints, named for their families."""
    from captioner_service.engines.transformers.torchvision_shim import declare_missing_operators

    declare_missing_operators()
    import torch
    from tiny_checkpoints import FAMILIES

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("checkpoints")
    for name, build in FAMILIES.items():
        build(folder / name)
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
