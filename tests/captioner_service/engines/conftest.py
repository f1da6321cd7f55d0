"""Lets the contract suite find what the folders beside it know: endpoints to ask, checkpoints to load."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

for folder in ("openai_engine", "transformers_engine"):
    sys.path.insert(0, str(Path(__file__).parent / folder))  # under importlib mode nothing else lets tests find them

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when transformers is imported; no test may reach for the hub


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The small checkpoint of a family, built when it is first asked for. All tests share it: none may write to it."""
    folder = tmp_path_factory.mktemp("checkpoints")

    @functools.cache
    def built(family: str) -> Path:
        from captioner_service.engines.transformers.torchvision_shim import declare_missing_operators

        declare_missing_operators()
        import torch
        from tiny_checkpoints import FAMILIES  # type: ignore[import-not-found,unused-ignore]

        torch.set_num_threads(1)
        FAMILIES[family](folder / family)
        return folder / family

    return built
