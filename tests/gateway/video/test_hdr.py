"""HDR video: its brightness and colours after tone mapping, and the word about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from video_clips import sequentially

from gateway.video.plan import Encoding, SamplingPlan
from gateway.video.sampled import SampledClip
from gateway.video.sandbox import Sandbox

PQ, HLG = 16, 18


def pq(nits: float) -> float:
    """The signal, 0 to 1, that shows so many nits (SMPTE ST 2084)."""
    power = (nits / 10000) ** (2610 / 16384)
    return float(((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32))


def hlg(nits: float) -> float:
    """The signal, 0 to 1, that shows grey of so many nits on a display of 1000 (BT.2100)."""
    scene = (nits / 1000) ** (1 / 1.2)
    return float(np.sqrt(3 * scene) if scene <= 1 / 12 else 0.17883277 * np.log(12 * scene - 0.28466892) + 0.55991073)


def srgb(linear: float) -> float:
    """The 8-bit code of linear light, 0 to 1 (IEC 61966-2-1)."""
    return 255 * (12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055)


def encode_hdr(path: Path, transfer: int, signals: list[tuple[float, float, float]]) -> Path:
    """A clip of 8 frames of vertical bars of those R'G'B' signals, in BT.2020, 10 bits."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=25, options={"x265-params": "log-level=none:pools=none:crf=4"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 32 * len(signals), 64, "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = transfer, 9, 9
        bars = np.repeat(np.array([signals]), 32, axis=1).repeat(64, axis=0)
        picture = np.round(bars * 65535).astype(np.uint16)
        for number in range(8):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb48le")
            frame = frame.reformat(format="yuv420p10le", dst_colorspace=Colorspace.BT2020)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


async def bars(sandbox: Sandbox, path: Path, sampler: str = "uniform") -> tuple[np.ndarray, SampledClip]:
    """The colour in the middle of each bar, and the whole clip."""
    taken = await sandbox.sample(path, SamplingPlan(sampler=sampler, frames=2, encoding=Encoding.RGB24))
    return taken.array()[0][32, 16::32].astype(int), taken


@pytest.mark.parametrize("transfer, signal, name", [(PQ, pq, "PQ"), (HLG, hlg, "HLG")])
async def test_an_hdr_picture_gets_the_brightness_that_it_would_have_in_sdr(
    transfer: int, signal: Callable[[float], float], name: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    nits = [0.0, 5.0, 26.0, 80.0, 203.0, 500.0, 1000.0]
    path = encode_hdr(tmp_path / "hdr.mp4", transfer, [(signal(n), signal(n), signal(n)) for n in nits])
    colours, taken = await bars(sandbox, path)
    warnings = {warning.code: warning.message for warning in taken.manifest.warnings}
    assert name in warnings["hdr_tone_mapped"]
    for level, colour in zip(nits[:4], colours[:4], strict=True):  # below the knee nothing but the transfer changes
        assert colour == pytest.approx([srgb(level / 203)] * 3, abs=4)
    white, bright, brightest = (int(colour.mean()) for colour in colours[4:])
    assert 215 < white < bright < brightest
    assert brightest >= 252


async def test_colours_of_the_wide_gamut_become_those_of_srgb(tmp_path: Path, sandbox: Sandbox) -> None:
    # BT.709 red, green and blue of 40 nits as BT.2020 holds them (BT.2087, table 1), and one of BT.2020's own.
    linear = [(0.6274, 0.0691, 0.0164), (0.3293, 0.9195, 0.0880), (0.0433, 0.0114, 0.8956), (0.0, 1.0, 0.0)]
    path = encode_hdr(tmp_path / "hdr.mp4", PQ, [(pq(40 * r), pq(40 * g), pq(40 * b)) for r, g, b in linear])
    colours, _ = await bars(sandbox, path)
    code = srgb(40 / 203)
    for channel, colour in enumerate(colours[:3]):
        assert colour[channel] == pytest.approx(code, abs=6)
        assert sorted(colour)[1] < 40
    assert colours[3][0] == colours[3][2] == 0 and colours[3][1] > code


async def test_the_notebook_sampler_keeps_to_the_prototype_and_says_so(tmp_path: Path, sandbox: Sandbox) -> None:
    path = encode_hdr(tmp_path / "hdr.mp4", PQ, [(pq(n), pq(n), pq(n)) for n in (5.0, 203.0)])
    _, taken = await bars(sandbox, path, "notebook")
    reference = np.asarray(sequentially(path)[0].to_ndarray(format="rgb24"))
    np.testing.assert_array_equal(taken.array()[0], reference)
    assert [warning.code for warning in taken.manifest.warnings] == ["hdr_not_tone_mapped"]
