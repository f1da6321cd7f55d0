"""Video that this process samples itself, in the gateway's sandbox and without any service."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from vidtomusictags.command.endings import Mistake
from vidtomusictags.command.extras import needing
from vidtomusictags.command.stdin import stdin_bytes

if TYPE_CHECKING:
    from gateway.video.plan import SamplingPlan
    from gateway.video.sampled import SampledClip


@contextmanager
def local_path(argument: str) -> Iterator[Path]:
    """The path of a video on the command line; for `-` that of a file with stdin's content, gone after the block.

    Raises OSError for a file that is missing or a directory, Mistake for a URI or a stdin that is not there.
    """
    if argument == "-":
        with NamedTemporaryFile(prefix="vidtags-") as copy:
            shutil.copyfileobj(stdin_bytes(), copy)
            copy.flush()
            yield Path(copy.name)
        return
    if "://" in argument:
        raise Mistake("only local files can be sampled here; download the video first")
    with Path(argument).open("rb"):  # says what is wrong with the name, which is the user's and may be shown
        pass
    yield Path(argument)


def sample_clip(
    path: Path, plan: SamplingPlan, *, timeout_seconds: float, on_progress: Callable[[int, int], None]
) -> SampledClip:
    """The clip, sampled by one worker process. on_progress: frames done and to come. Raises what the sandbox raises."""
    with needing("gateway"):
        if find_spec("av") is None:  # imported by the worker alone, whose failure would not say what to install
            raise ModuleNotFoundError(name="av")
        from gateway.video.sandbox import SandboxLimits, running_sandbox  # noqa: PLC0415

    async def sampled() -> SampledClip:
        async with running_sandbox(SandboxLimits(workers=1, wall_seconds=timeout_seconds)) as sandbox:
            return await sandbox.sample(path, plan, timeout_seconds=timeout_seconds, on_progress=on_progress)

    return asyncio.run(sampled())
