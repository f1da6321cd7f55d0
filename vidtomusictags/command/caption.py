"""`vidtags caption`: a video in, its summary out, through a captioner."""

from __future__ import annotations

from typing import Annotated

import typer

from vidtomusictags.command import options
from vidtomusictags.command.clips import local_path, sample_clip
from vidtomusictags.command.credentials import chosen_credentials
from vidtomusictags.command.documents import print_document
from vidtomusictags.command.endings import Mistake
from vidtomusictags.command.extras import needing
from vidtomusictags.command.progress import reporting
from vidtomusictags.command.rendering import print_caption, stdout


def caption(
    video: Annotated[str, typer.Argument(metavar="CLIP", help="A video file, or - for stdin.")],
    captioner: options.Captioner = options.CAPTIONER,
    sampler: options.Sampler = "uniform",
    frames: options.Frames = 0,
    start: options.Start = None,
    end: options.End = None,
    prompt: options.Prompt = None,
    prompt_text: options.PromptText = None,
    timeout: options.Timeout = options.TIMEOUT_SECONDS,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Describe a video: sample it here, and have a captioner say what it shows.

    Examples:
    vidtags caption clip.mp4
    vidtags caption clip.mp4 --prompt scene --frames 16
    vidtags caption clip.mp4 --captioner gpu-box:50051 --json
    """
    if prompt and prompt_text:
        raise Mistake("give --prompt or --prompt-text, not both")
    with needing("gateway"):
        from gateway.video.plan import Encoding, SamplingPlan  # noqa: PLC0415
    from vidtomusictags.client.captioner import CaptionerClient, Still  # noqa: PLC0415
    from vidtomusictags.client.plain import plain  # noqa: PLC0415

    with (
        local_path(video) as path,
        CaptionerClient(captioner, timeout_seconds=timeout, credentials=chosen_credentials()) as client,
        reporting(video, quiet=quiet) as reporter,
    ):
        model = client.model()
        plan = SamplingPlan(
            sampler=sampler,
            frames=frames or model.default_frames,
            start_seconds=start,
            end_seconds=end,
            short_side_pixels=model.frame_short_side or None,
            encoding=Encoding.JPEG,
        )
        clip = sample_clip(path, plan, timeout_seconds=timeout, on_progress=reporter.frames)
        taken = clip.manifest.frames
        stills = [Still(f.index, f.time_seconds, data) for f, data in zip(taken, clip.frames, strict=True)]
        described = client.caption(
            stills,
            size=(clip.width, clip.height),
            prompt=prompt,
            prompt_text=prompt_text,
            on_text=None if quiet else reporter.text,
        )
    if as_json:
        print_document({"file": video, **plain(described), "manifest": clip.manifest.to_dict()})
    else:
        print_caption(stdout(), video, described, clip.manifest)
