"""`vidtags sample`: the frames that a captioner would see, as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidtomusictags.command import options
from vidtomusictags.command.clips import local_path, sample_clip
from vidtomusictags.command.documents import print_document
from vidtomusictags.command.endings import Mistake
from vidtomusictags.command.extras import needing
from vidtomusictags.command.progress import reporting
from vidtomusictags.command.rendering import print_sampled, stdout

if TYPE_CHECKING:
    from gateway.video.sampled import SampledClip


def sample(
    video: Annotated[str, typer.Argument(metavar="CLIP", help="A video file, or - for stdin.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR|FILE.npy", help="Directory for PNG files, or one array.")
    ] = None,
    frames: Annotated[int, typer.Option(min=1, max=256, help="How many frames.")] = 8,
    sampler: options.Sampler = "uniform",
    size: Annotated[
        int | None, typer.Option(min=1, metavar="PIXELS", help="Short side of the frames; without, as in the video.")
    ] = None,
    start: options.Start = None,
    end: options.End = None,
    timeout: options.Timeout = options.TIMEOUT_SECONDS,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Sample frames of a video, in this process and without a service.

    FILE.npy holds one uint8 array (frames, height, width, 3), RGB. DIR gets PNG files, named by their place in the
    sample and their frame index. --json prints the manifest: which frames, at what times, and why.

    Examples:
    vidtags sample clip.mp4 --frames 8 --out frames/
    vidtags sample clip.mp4 --sampler notebook --out clip.npy --json
    vidtags sample clip.mp4 --size 336 --start 10 --end 20 --out frames/
    """
    if out is None and not as_json:
        raise Mistake("say where the frames go with --out, or ask for the manifest alone with --json")
    with needing("gateway"):
        from gateway.video.plan import Encoding, SamplingPlan  # noqa: PLC0415

    as_array = out is not None and out.suffix == ".npy"
    if out is not None and not as_array and out.is_file():
        raise Mistake(f"{out} is a file; name a directory for the pictures, or a file that ends in .npy")
    plan = SamplingPlan(
        sampler=sampler,
        frames=frames,
        start_seconds=start,
        end_seconds=end,
        short_side_pixels=size,
        encoding=Encoding.RGB24 if as_array else Encoding.PNG,
    )
    with local_path(video) as path, reporting(video, quiet=quiet) as reporter:
        clip = sample_clip(path, plan, timeout_seconds=timeout, on_progress=reporter.frames)
    if out is not None:
        (write_array if as_array else write_pictures)(clip, out)
    if as_json:
        print_document(clip.manifest.to_dict())
    elif out is not None:
        print_sampled(stdout(), clip, out)


def write_array(clip: SampledClip, path: Path) -> None:
    """The frames as one .npy file, complete or not there: uint8, (frames, height, width, 3), RGB."""
    import numpy as np  # noqa: PLC0415

    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with unfinished.open("wb") as file:
            np.save(file, clip.array(), allow_pickle=False)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_pictures(clip: SampledClip, directory: Path) -> None:
    """The frames as PNG files in a directory, such as `00-frame000016.png`: place in the sample, index in the video."""
    directory.mkdir(parents=True, exist_ok=True)
    for place, (frame, picture) in enumerate(zip(clip.manifest.frames, clip.frames, strict=True)):
        (directory / f"{place:02d}-frame{frame.index:06d}.png").write_bytes(picture)
