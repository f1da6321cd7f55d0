"""Reading AV1 headers of packets that lie."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import av
from av.packet import Packet
from video_clips import Recipe

from gateway.video.av1_references import Av1NeededBytes


def test_mutated_packets_never_need_more_bytes_than_they_have(clip: Callable[[Recipe], Path]) -> None:
    with av.open(str(clip(Recipe(codec="libsvtav1", gop=20)))) as container:
        stream = container.streams.video[0]
        header = bytes(stream.codec_context.extradata or b"")
        packets = [bytes(memoryview(packet)) for packet in container.demux(stream) if packet.size]
    chance = random.Random(7)
    for number in range(2000):
        needed_bytes = Av1NeededBytes(header[: chance.randrange(len(header) + 1)] if number % 4 else header)
        data = bytearray(chance.choice(packets) if number % 5 else chance.randbytes(chance.randrange(1, 300)))
        for _ in range(chance.randrange(6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        assert 0 <= needed_bytes(Packet(bytes(data))) <= len(data)
