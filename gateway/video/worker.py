"""The process in which video is decoded: takes one job at a time from its parent, until the parent closes the line.

Run as `python -m gateway.video.worker CONTROL_FD OUTPUT_FD PARENT_PID LIMITS_JSON`. Each message on the control socket
is one JSON document. A job comes with an open file, and with a socket where not all of the file is there yet; its
answer is any number of `progress` and then one of `sampled`, `failure` and `gone`. The pictures themselves are left in
the shared output file, at the extents that `sampled` names.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import socket
import sys
import traceback
from contextlib import ExitStack
from typing import Any

import av.logging
import av.subtitles.stream
import numpy.ma
from PIL import Image

from gateway.video.arriving_file import ArrivingSource, SourceGone
from gateway.video.confinement import allow_cpu_seconds, confine, parent_is_gone
from gateway.video.container import Source
from gateway.video.limits import SandboxLimits
from gateway.video.plan import Encoding, SamplingPlan
from gateway.video.sampling import sample_video
from gateway.video.whole_file import WholeSource
from vidtomusictags.rpc import failures

# What PyAV and NumPy import on first use; by then this process can open nothing.
PRELOADED = (av.subtitles.stream, numpy.ma)
MESSAGE_BYTES = 1 << 18


class SharedOutput:
    """The sink that writes pictures one after the other into memory shared with the parent."""

    def __init__(self, file: int, size: int) -> None:
        self._memory = mmap.mmap(file, size)
        self._size = size
        self._end = 0
        self.extents: dict[int, tuple[int, int]] = {}

    def clear(self) -> None:
        self._end = 0
        self.extents.clear()

    def put(self, index: int, data: bytes | memoryview) -> None:
        if self._end + len(data) > self._size:
            raise failures.VideoTooLarge("The frames are more than one call may return; ask for fewer or smaller ones.")
        self._memory[self._end : self._end + len(data)] = bytes(data) if isinstance(data, bytes) else data
        self.extents[index] = (self._end, len(data))
        self._end += len(data)


def serve(control: socket.socket, output: SharedOutput, limits: SandboxLimits, *, filtered: bool) -> None:
    """Do jobs until the parent closes its end. filtered: whether the kernel filters this process's system calls."""
    control.send(json.dumps({"ready": sorted(sys.modules), "filtered": filtered}).encode())
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 2)
        if not message:
            return
        with ExitStack() as files:
            for descriptor in descriptors:
                files.callback(os.close, descriptor)
            allow_cpu_seconds(limits.cpu_seconds)
            job = json.loads(message)
            answer = _answer(job, _source(job, descriptors, files), control, output, limits)
        control.send(json.dumps(answer).encode())


def _source(job: dict[str, Any], descriptors: list[int], files: ExitStack) -> Source:
    if "arriving" not in job:
        return WholeSource(descriptors[0])
    channel = files.enter_context(socket.socket(fileno=os.dup(descriptors[1])))
    return ArrivingSource(descriptors[0], channel=channel, **job["arriving"])


def _answer(
    job: dict[str, Any], video: Source, control: socket.socket, output: SharedOutput, limits: SandboxLimits
) -> dict[str, Any]:
    plan = SamplingPlan(**job["plan"] | {"encoding": Encoding(job["plan"]["encoding"])})

    def report(done: int, total: int) -> None:
        control.send(json.dumps({"progress": [done, total]}).encode())

    try:
        output.clear()
        sampled = sample_video(video, plan, limits, output, report, int(job["threads"]))
        return {
            "sampled": {
                "manifest": sampled.manifest.to_dict(),
                "width": sampled.width,
                "height": sampled.height,
                "extents": [output.extents[frame.index] for frame in sampled.manifest.frames],
            }
        }
    except SourceGone:
        return {"gone": True}
    except failures.Failure as failure:
        return _failure(failure, worn=False)
    except MemoryError:
        return _failure(
            failures.VideoTooLarge("The video needs more memory to decode than one job may use."), worn=True
        )
    except Exception:
        with contextlib.suppress(OSError):
            traceback.print_exc()
        return _failure(failures.DecoderDied("The decoder failed on this video; send it re-encoded."), worn=True)


def _failure(failure: failures.Failure, *, worn: bool) -> dict[str, Any]:
    return {"failure": [type(failure).__name__, failure.message, failure.field], "worn": worn}


def main() -> None:
    """Confine this process, then serve."""
    control_fd, output_fd, parent, limits_json = sys.argv[1:]
    limits = SandboxLimits(**json.loads(limits_json))
    av.logging.set_level(None)
    Image.preinit()  # Pillow imports its formats on first use
    output = SharedOutput(int(output_fd), limits.max_output_bytes)
    filtered = confine(limits)
    if parent_is_gone(int(parent)):
        return
    with socket.socket(fileno=int(control_fd)) as control:
        serve(control, output, limits, filtered=filtered)


if __name__ == "__main__":
    main()
