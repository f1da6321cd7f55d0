"""The ways of sampling that are compared, each from a path to 8 RGB frames of 336 pixels on the short side."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gateway.video.limits import SandboxLimits
from gateway.video.plan import Encoding, SamplingPlan
from gateway.video.sampling import Sampled, sample_video
from gateway.video.whole_file import WholeSource

FRAMES, SHORT_SIDE = 8, 336
Pictures = NDArray[np.uint8]


@dataclass(frozen=True)
class Job:
    """One clip, the frames to take of it, and the size to give them."""

    path: Path
    indices: tuple[int, ...]
    width: int
    height: int
    threads: int


@dataclass(frozen=True)
class Contender:
    """A way of sampling. exact: it promises the frames at the given indices. missing: why it cannot run here.

    module: what it imports, which is no part of the time.
    """

    name: str
    sample: Callable[[Job], Pictures]
    exact: bool
    missing: str = ""
    module: str = "av"


class _Array:
    """A sink that keeps pictures for stacking."""

    def __init__(self) -> None:
        self._pictures: dict[int, bytes] = {}

    def clear(self) -> None:
        self._pictures.clear()

    def put(self, index: int, data: bytes | memoryview) -> None:
        self._pictures[index] = bytes(data)

    def stacked(self, width: int, height: int) -> Pictures:
        joined = b"".join(self._pictures[index] for index in sorted(self._pictures))
        return np.frombuffer(joined, np.uint8).reshape(-1, height, width, 3)


def ours(path: Path, sampler: str, threads: int) -> tuple[Sampled, Pictures]:
    """This repository's sampler in this process, opening included, the file given as to a decoding worker."""
    sink = _Array()
    plan = SamplingPlan(sampler=sampler, frames=FRAMES, short_side_pixels=SHORT_SIDE, encoding=Encoding.RGB24)
    with path.open("rb") as file:
        source = WholeSource(file.fileno())
        outcome = sample_video(source, plan, SandboxLimits(), sink, lambda done, total: None, threads)
    return outcome, sink.stacked(outcome.width, outcome.height)


def _prototype(job: Job) -> Pictures:
    """The prototype's loop, given the true number of frames where the container has none."""
    with av.open(str(job.path)) as container:
        total = container.streams.video[0].frames or sum(1 for p in container.demux(video=0) if p.size)
        indices = np.arange(0, total, total / FRAMES).astype(int)
        container.seek(0)
        frames = []
        for index, frame in enumerate(container.decode(video=0)):
            if index > indices[-1]:
                break
            if index in indices:
                frames.append(frame)
        return _scaled(np.stack([np.asarray(frame.to_ndarray(format="rgb24")) for frame in frames]), job)


def _decord(job: Job) -> Pictures:
    decord = importlib.import_module("decord")

    reader = decord.VideoReader(str(job.path), width=job.width, height=job.height, num_threads=0)
    return np.asarray(reader.get_batch(list(job.indices)).asnumpy())


def _torchcodec(mode: str) -> Callable[[Job], Pictures]:
    def sample(job: Job) -> Pictures:
        decoders = importlib.import_module("torchcodec.decoders")

        decoder = decoders.VideoDecoder(str(job.path), dimension_order="NHWC", num_ffmpeg_threads=0, seek_mode=mode)
        return _scaled(decoder.get_frames_at(list(job.indices)).data.numpy(), job)

    return sample


def _opencv(job: Job) -> Pictures:
    cv2 = importlib.import_module("cv2")

    capture = cv2.VideoCapture(str(job.path))
    frames = []
    for index in job.indices:
        capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        read, frame = capture.read()
        if not read:
            raise ValueError(f"frame {index} could not be read")
        small = cv2.resize(frame, (job.width, job.height), interpolation=cv2.INTER_AREA)
        frames.append(cv2.cvtColor(small, cv2.COLOR_BGR2RGB))
    return np.stack(frames)


def _ffmpeg(job: Job) -> Pictures:
    chosen = "+".join(f"eq(n\\,{index})" for index in job.indices)
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(job.path), "-map", "0:v:0"]
    command += ["-vf", f"select={chosen},scale={job.width}:{job.height}:flags=bicubic", "-vsync", "0"]
    command += ["-frames:v", str(len(job.indices)), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    run = subprocess.run(command, capture_output=True, check=True)
    return np.frombuffer(run.stdout, np.uint8).reshape(-1, job.height, job.width, 3)


def _scaled(pictures: Any, job: Job) -> Pictures:
    """Full-size frames scaled afterwards, by the fastest means at hand."""
    if importlib.util.find_spec("cv2"):
        cv2 = importlib.import_module("cv2")

        return np.stack([cv2.resize(p, (job.width, job.height), interpolation=cv2.INTER_AREA) for p in pictures])
    size = (job.width, job.height)
    return np.stack([np.asarray(Image.fromarray(p).resize(size, Image.Resampling.BILINEAR)) for p in pictures])


def _needs(module: str) -> str:
    return "" if importlib.util.find_spec(module) else f"{module} is not installed"


def contenders() -> list[Contender]:
    """All of them, those that cannot run here with the reason."""
    torchcodec = _needs("torchcodec")
    return [
        Contender("ours", lambda job: ours(job.path, "uniform", job.threads)[1], exact=True),
        Contender("ours, snap", lambda job: ours(job.path, "snap", job.threads)[1], exact=False),
        Contender("prototype", _prototype, exact=False),
        Contender("decord", _decord, exact=True, missing=_needs("decord"), module="decord"),
        Contender(
            "torchcodec exact", _torchcodec("exact"), exact=True, missing=torchcodec, module="torchcodec.decoders"
        ),
        Contender(
            "torchcodec approximate",
            _torchcodec("approximate"),
            exact=True,
            missing=torchcodec,
            module="torchcodec.decoders",
        ),
        Contender("opencv", _opencv, exact=True, missing=_needs("cv2"), module="cv2"),
        Contender("ffmpeg", _ffmpeg, exact=True, missing="" if shutil.which("ffmpeg") else "ffmpeg is not on the path"),
    ]
