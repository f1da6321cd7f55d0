"""What a clip costs each service, measured with the embedded engines, and what a GPU can do at best, computed.

    python benchmarks/sizing.py [CLIP] [--clips 40] [--at-once 4]

Each service is a process of its own, with the allocator settings that the images ship. Processor seconds are those of
the process and its children, and so depend little on what else the machine does; the first clips are not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from vidtomusictags import AsyncClient

EXAMPLE = Path(__file__).parents[1] / "examples" / "big-buck-bunny.mp4"
ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": "67108864", "MALLOC_MMAP_THRESHOLD_": "33554432"}
SERVICES = ("captioner", "classifier", "gateway")
WARM_UP_CLIPS = 4
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024

USED_SHARE, KEPT_GIB = 0.92, 1.5
"""Of a card's memory, as docs/models.md says of the captioner."""
WEIGHTS_GIB, CLIP_GIB, PARAMETERS = 13.2, 724 / 1024, 7.06e9
"""LLaVA-NeXT-Video-7B in 16 bits with 8 frames and 256 tokens of text, from docs/models.md."""
PROMPT_TOKENS, TEXT_TOKENS, MOST_SLOTS = 1192, 100, 32
"""Of such a clip (1,448 less 256); of a text by `concise` or `scene`, an assumption; CAPTIONER_MAX_SLOTS."""
ARITHMETIC_SHARE = 0.4
"""Of a card's peak, that prefill reaches: an assumption."""


@dataclass(frozen=True)
class Card:
    """memory_gb and bytes_per_second as the maker says; operations_per_second: dense, 16 bits."""

    name: str
    memory_gb: float
    bytes_per_second: float
    operations_per_second: float

    @property
    def slots(self) -> int:
        """Clips at once, in 16 bits."""
        gib = self.memory_gb * 1e9 / 2**30
        return min(MOST_SLOTS, math.floor((gib * USED_SHARE - WEIGHTS_GIB - KEPT_GIB) / CLIP_GIB))

    @property
    def clips_an_hour(self) -> float:
        """At best: prefill at a share of the peak, each step of a text as long as reading weights and caches takes."""
        prefill = 2 * PARAMETERS * PROMPT_TOKENS / (self.operations_per_second * ARITHMETIC_SHARE)
        step = (WEIGHTS_GIB + self.slots * CLIP_GIB) * 2**30 / self.bytes_per_second
        return 3600 / (prefill + TEXT_TOKENS * step / self.slots)


CARDS = (
    Card("L4, 24 GB", 24, 300e9, 121e12),
    Card("L40S, 48 GB", 48, 864e9, 362e12),
    Card("A100, 80 GB", 80, 2039e9, 312e12),
    Card("H100 SXM, 80 GB", 80, 3350e9, 989e12),
)


@contextmanager
def served(name: str, **settings: str) -> Iterator[tuple[int, int]]:
    """A service in a process of its own: its process id and port."""
    ours, theirs = os.pipe()
    environment = {**os.environ, **ALLOCATOR, f"{name.upper()}_LISTEN": "127.0.0.1:0", **settings}
    command = [sys.executable, "-m", "vidtomusictags", "serve", name, "--ready-fd", str(theirs)]
    with subprocess.Popen(
        command, pass_fds=(theirs,), env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        os.close(theirs)
        with os.fdopen(ours) as told:
            try:
                yield process.pid, int(told.readline())
            finally:
                process.terminate()


def family(pid: int) -> list[int]:
    """The process and all that came from it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def processor_seconds(pid: int) -> float:
    """Of the process, its children that live, and those that it has waited for."""
    spent = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        spent += sum(map(int, fields[11:15] if one == pid else fields[11:13]))
    return spent / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Of the process and its children, shared pages counted in each."""
    return sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) * PAGE_KIB / 1024 for one in family(pid))


async def tag(port: int, clip: Path, clips: int, at_once: int) -> None:
    """Uploads the clip so often."""
    turns = asyncio.Semaphore(at_once)
    async with AsyncClient(f"127.0.0.1:{port}") as client:

        async def one() -> None:
            async with turns:
                await client.tag(clip)

        await asyncio.gather(*(one() for _ in range(clips)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, nargs="?", default=EXAMPLE)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--at-once", type=int, default=4)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        captioner, captioner_port = stack.enter_context(served("captioner"))
        classifier, classifier_port = stack.enter_context(served("classifier"))
        upstreams = {
            "GATEWAY_CAPTIONER": f"127.0.0.1:{captioner_port}",
            "GATEWAY_CLASSIFIER": f"127.0.0.1:{classifier_port}",
        }
        gateway, port = stack.enter_context(served("gateway", **upstreams))
        pids = dict(zip(SERVICES, (captioner, classifier, gateway), strict=True))
        asyncio.run(tag(port, arguments.clip, WARM_UP_CLIPS, arguments.at_once))
        before = {name: processor_seconds(pid) for name, pid in pids.items()}
        asyncio.run(tag(port, arguments.clip, arguments.clips, arguments.at_once))
        print(f"{arguments.clips} clips, {arguments.at_once} at once; embedded engines")
        for name, pid in pids.items():
            seconds = (processor_seconds(pid) - before[name]) / arguments.clips
            print(f"{name:10}  {seconds:6.3f} processor seconds a clip  {resident_mib(pid):5.0f} MiB resident")
    print("\ncaptioner on a GPU, computed bounds")
    for card in CARDS:
        print(f"{card.name:16}  {card.slots:2} slots  at best {card.clips_an_hour:6.0f} clips an hour")


if __name__ == "__main__":
    main()
