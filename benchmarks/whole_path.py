"""What the gateway and gRPC add: the same clips through the three services, and through the same stages in one process.

    python benchmarks/whole_path.py --rounds 15

Both ways sample in the same sandbox of worker processes, describe and tag with the embedded engines and take one clip
at a time, in turn, in one run. In one process the frames stay raw; through the services they travel as the gateway
sends them, which is JPEG. Every answer of one way is compared with that of the other.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from load_processes import processor_seconds, serving
from load_scenarios import FILM, small_clip

from captioner_service.clip import Clip
from captioner_service.engines import open_engine as open_caption_engine
from captioner_service.frames import EncodedFrame, FrameFormat, decode_frames
from captioner_service.frames import Encoding as FrameEncoding
from captioner_service.prompts import PromptStock, packaged_templates
from classifier_service.classifier import Classifier, Wanted
from classifier_service.engines import open_engine as open_classification_engine
from classifier_service.engines.engine import Statement
from classifier_service.taxonomy_store import TaxonomyStore
from gateway.video.limits import SandboxLimits
from gateway.video.plan import Encoding, SamplingPlan
from gateway.video.sandbox import Sandbox, running_sandbox
from vidtomusictags.gateway.v1 import gateway_pb2, gateway_pb2_grpc

Found = list[tuple[str, float]]
"""Tags and confidences."""


class OneProcess:
    """Sampling, describing and tagging without any service. The engines block here, one after the other."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._captions = open_caption_engine("embedded")
        self._classifier = Classifier(open_classification_engine("embedded"))
        self._taxonomy = TaxonomyStore.load(()).find("music-moods")
        self._prompt = PromptStock(packaged_templates(), default="concise").default()

    async def tag(self, path: Path, encoding: Encoding) -> Found:
        """The tags of a clip whose frames leave the sandbox in that form."""
        card = self._captions.card
        plan = SamplingPlan(
            frames=card.default_frames, short_side_pixels=card.frame_short_side_pixels, encoding=encoding
        )
        sampled = await self._sandbox.sample(path, plan)
        times = [frame.time_seconds for frame in sampled.manifest.frames]
        if encoding is Encoding.RGB24:
            pixels = sampled.array()
        else:
            frames = [EncodedFrame(i, at, data) for i, (at, data) in enumerate(zip(times, sampled.frames, strict=True))]
            size = (sampled.width, sampled.height)
            pixels = decode_frames(frames, FrameFormat(FrameEncoding[encoding.name], size))
        clip = Clip(pixels, times, self._prompt)
        (caption,) = self._captions.caption([clip], lambda position, text: None)
        statements = [Statement(s.start, s.end, s.kind.value, s.certainty) for s in caption.statements]
        classified = await self._classifier.classify(caption.text, self._taxonomy, Wanted(), statements)
        return [(tag.id, tag.confidence) for tag in classified.answer.tags]


async def through_services(stub: Any, path: Path) -> tuple[Found, gateway_pb2.Timings]:
    """The tags of a clip, and the seconds of each stage as the gateway tells them."""
    async for reply in stub.TagVideo(gateway_pb2.TagVideoRequest(uri=f"file://{path}"), timeout=60):
        result = reply.event.result
    return [(tag.id, tag.confidence) for tag in result.classification.tags], result.timings


async def measure(rounds: int) -> None:
    """Prints the medians and their ratios."""
    async with AsyncExitStack() as stack:
        folder, spool = (Path(stack.enter_context(TemporaryDirectory())) for _ in range(2))
        clips = {"1280 x 720": folder / "film.mp4", "480 x 270": await asyncio.to_thread(small_clip, folder / "s.mp4")}
        clips["1280 x 720"].write_bytes(FILM.read_bytes())
        captioner = await stack.enter_async_context(serving("captioner", {"engine": "embedded"}))
        classifier = await stack.enter_async_context(serving("classifier", {"engine": "embedded"}))
        settings = {
            "captioner": captioner.address,
            "classifier": classifier.address,
            "roots": f'["{folder}"]',
            "spool_directory": spool,
        }
        gateway = await stack.enter_async_context(serving("gateway", settings))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(gateway.address))
        stub = gateway_pb2_grpc.TaggingServiceStub(channel)
        sandbox = await stack.enter_async_context(running_sandbox(SandboxLimits(workers=2)))
        alone = await asyncio.to_thread(OneProcess, sandbox)
        served = [captioner, classifier, gateway]
        for name, path in clips.items():
            await _compare(name, path, rounds, alone, stub, [one.pid for one in served])


async def _compare(name: str, path: Path, rounds: int, alone: OneProcess, stub: Any, pids: list[int]) -> None:
    ways = ("services", "one process", "one process, JPEG")
    wall: dict[str, list[float]] = {way: [] for way in ways}
    busy = 0.0
    stages: dict[str, list[float]] = {"sampling": [], "captioning": [], "classifying": []}
    for number in range(rounds + 2):
        found: dict[str, Found] = {}
        for way in ways[number % 3 :] + ways[: number % 3]:
            before, began = sum(map(processor_seconds, pids)), time.perf_counter()
            if way == "services":
                found[way], timings = await through_services(stub, path)
            else:
                found[way] = await alone.tag(path, Encoding.JPEG if "JPEG" in way else Encoding.RGB24)
            seconds = time.perf_counter() - began
            if number < 2:  # the first rounds warm up
                continue
            wall[way].append(seconds)
            if way == "services":
                busy += sum(map(processor_seconds, pids)) - before
                for stage, told in stages.items():
                    told.append(getattr(timings, stage).ToNanoseconds() / 1e9)
        tags = {tuple(tag for tag, _ in one) for one in (found["services"], found["one process, JPEG"])}
        assert len(tags) == 1, "both ways must find the same"
    medians = {way: statistics.median(seconds) for way, seconds in wall.items()}
    print(
        f"clip of {name}, {rounds} rounds; the services' processor time {busy / rounds:.3f} s a clip; median seconds:"
    )
    print("  " + ", ".join(f"{way} {seconds:.3f}" for way, seconds in medians.items()))
    told = {stage: statistics.median(seconds) for stage, seconds in stages.items()}
    rest = medians["services"] - sum(told.values())
    print("  through the services: " + ", ".join(f"{s} {v:.3f}" for s, v in told.items()) + f", all else {rest:.3f}")
    for way in ways[1:]:
        ratios = [ours / theirs for ours, theirs in zip(wall["services"], wall[way], strict=True)]
        quarters = statistics.quantiles(ratios, n=4)
        spread = f"half of the rounds {quarters[0]:.3f} to {quarters[2]:.3f}"
        print(f"  services / {way}: {statistics.median(ratios):.3f} ({spread})")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    asyncio.run(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
