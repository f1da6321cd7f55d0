"""The least that exact sampling can cost with the same decoders: decoding what leads up to the targets, and no more."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import av
from av import VideoFrame
from av.packet import Packet
from av.video.stream import VideoStream
from sampling_contenders import Job

from gateway.video.frame_table import TableKind
from gateway.video.gop import GopReader, Tally
from gateway.video.limits import SandboxLimits
from gateway.video.locating import locate_frames
from gateway.video.opening import OpenVideo
from gateway.video.whole_file import WholeSource


@dataclass(frozen=True)
class Floor:
    """Processor seconds of one decoder with one thread, divided by the cores: as if every core were busy all the time.

    prefixes: decoding all packets from the keyframe before each target to the target. needed: the same without what no
    other picture refers to. Opening, seeking, converting and scaling are in neither.
    """

    prefixes: float
    needed: float


def floor_of(job: Job) -> Floor:
    """The floor of that job on so many cores as it has threads."""
    return Floor(_prefix_seconds(job) / job.threads, _needed_seconds(job) / job.threads)


def _prefix_seconds(job: Job) -> float:
    with av.open(str(job.path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        shown = sorted(packet.pts for packet in packets if packet.pts is not None)
        targets = {shown[index] for index in job.indices}
        prefixes: list[list[Packet[VideoStream]]] = []
        gop: list[Packet[VideoStream]] = []
        for packet in packets:
            if packet.is_keyframe:
                gop = []
            gop.append(packet)
            if packet.pts in targets:
                if prefixes and prefixes[-1][0] is gop[0]:
                    prefixes.pop()
                prefixes.append(list(gop))
        decoder = stream.codec_context
        decoder.thread_type, decoder.thread_count = "SLICE", 1
        began = time.process_time()
        for prefix in prefixes:
            for packet in prefix:
                decoder.decode(packet)
            decoder.decode(None)
            decoder.flush_buffers()
        return time.process_time() - began


def _needed_seconds(job: Job) -> float:
    decoding = 0.0

    class Timed(OpenVideo):
        def decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
            nonlocal decoding
            began = time.process_time()
            try:
                return super().decode(packet)
            finally:
                decoding += time.process_time() - began

    def ignore(index: int, frame: VideoFrame, video: Any) -> None:
        """The frame has been decoded, which is all that is measured."""

    with job.path.open("rb") as file, Timed(WholeSource(file.fileno()), SandboxLimits()) as video:
        table = locate_frames(video, SandboxLimits(), cheapest=TableKind.INDEX)
        reader = GopReader(video, table, Tally())
        for group in table.groups_of(job.indices):
            reader.read(group, ignore)
    return decoding
