"""Clips that are made once for all tests, and a sandbox that is warm for all of them."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))  # with pytest's importlib mode, only thus do tests find their helpers

from video_clips import Recipe, encode

from gateway.video.sandbox import Sandbox, SandboxLimits, running_sandbox


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Recipe], Path]:
    """Makes a clip by its recipe, or gives the one made before."""
    folder = tmp_path_factory.mktemp("clips")
    made: dict[Recipe, Path] = {}

    def make(recipe: Recipe) -> Path:
        if recipe not in made:
            made[recipe] = encode(folder / f"{len(made)}.{recipe.suffix}", recipe)
        return made[recipe]

    return make


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox of two workers."""
    async with running_sandbox(SandboxLimits(workers=2)) as running:
        yield running
