"""Telling keyframes from places where an H.264 stream only begins to refresh its picture, bit by bit."""

from __future__ import annotations

from collections.abc import Callable

from av.packet import Packet
from av.video.stream import VideoStream

from gateway.video.nal_units import h264_length_size, nal_heads
from gateway.video.opening import OpenVideo

_IDR_SLICE, _SUPPLEMENTAL = 5, 6
_RECOVERY_POINT = 6


def gradual_refresh_test(video: OpenVideo) -> Callable[[Packet[VideoStream]], bool]:
    """Whether decoding from this packet, though it is marked as a keyframe, gives a whole picture only later.

    That is so where a recovery point (ITU-T H.264, D.2.8) has a recovery_frame_cnt above 0. Pictures from there on are
    not taken even after that count: with x264's intra-refresh=1 they are exact only two refreshes later.
    """
    if video.codec != "h264":
        return lambda packet: False
    length_size = h264_length_size(bytes(video.decoder.extradata or b""))

    def is_gradual(packet: Packet[VideoStream]) -> bool:
        gradual = False
        for head in nal_heads(memoryview(packet), length_size):
            if head[0] & 0x1F == _IDR_SLICE:
                return False
            if head[0] & 0x1F == _SUPPLEMENTAL:
                gradual |= _recovers_later(bytes(head[1:]))
        return gradual

    return is_gradual


def _recovers_later(messages: bytes) -> bool:
    """Whether the messages (7.3.2.3.1) hold a recovery point that is not reached at once."""
    position = 0
    while position + 2 < len(messages):
        numbers = []
        for _ in ("type", "size"):
            number = 0
            while position < len(messages) and messages[position] == 0xFF:
                number, position = number + 0xFF, position + 1
            number += messages[position] if position < len(messages) else 0
            position += 1
            numbers.append(number)
        kind, size = numbers
        if kind == _RECOVERY_POINT and position < len(messages):
            return not messages[position] & 0x80  # the Exp-Golomb code of 0 is a single 1
        position += size
    return False
