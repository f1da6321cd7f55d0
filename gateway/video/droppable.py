"""Telling what of a packet other pictures refer to, so that the rest need not be decoded on the way to a target."""

from __future__ import annotations

from collections.abc import Callable

from av.packet import Packet
from av.video.stream import VideoStream

from gateway.video.av1_references import Av1NeededBytes
from gateway.video.nal_units import h264_length_size, nal_heads
from gateway.video.opening import OpenVideo

NeededBytes = Callable[["Packet[VideoStream]"], int]


def needed_bytes_of(video: OpenVideo) -> NeededBytes:
    """How many bytes of a packet of this stream, from its start, hold what changes other pictures; 0: it is droppable.

    To be asked for every packet in turn, for some hold parameters that count for others.
    """
    extradata = bytes(video.decoder.extradata or b"")
    if video.codec == "h264":
        length_size = h264_length_size(extradata)
        return lambda packet: 0 if _h264_is_droppable(memoryview(packet), length_size) else packet.size
    if video.codec == "hevc":
        hevc_is_droppable = _HevcDroppableTest(None, 0)
        if extradata[:1] == b"\x01" and len(extradata) > 21:  # an hvcC record
            hevc_is_droppable = _HevcDroppableTest((extradata[21] & 3) + 1, extradata[21] >> 3 & 7)
        return lambda packet: 0 if hevc_is_droppable(packet) else packet.size
    if video.codec == "av1":
        return Av1NeededBytes(extradata)
    return lambda packet: packet.size


def _h264_is_droppable(data: memoryview, length_size: int | None) -> bool:
    """Whether every slice has nal_ref_idc 0 (ITU-T H.264, 7.4.1): the picture is not used for reference."""
    slices = [header[0] for header in nal_heads(data, length_size) if header[0] & 0x1F in (1, 5)]
    return bool(slices) and not any(header & 0x60 for header in slices)


class _HevcDroppableTest:
    """Whether the picture is a sub-layer non-reference picture of the highest temporal sub-layer.

    ITU-T H.265, 7.4.2.2: even NAL unit types below 16 are not referred to within their own sub-layer; pictures of
    higher sub-layers may still refer to them. Until the number of sub-layers is known, nothing is droppable.
    """

    def __init__(self, length_size: int | None, sub_layers: int) -> None:
        self._length_size = length_size
        self._sub_layers = sub_layers

    def __call__(self, packet: Packet[VideoStream]) -> bool:
        for header in nal_heads(memoryview(packet), self._length_size):
            nal_type = header[0] >> 1 & 0x3F
            if nal_type == 33 and len(header) > 2:  # sequence parameter set: sps_max_sub_layers_minus1
                self._sub_layers = max(self._sub_layers, (header[2] >> 1 & 7) + 1)
            if nal_type < 32:
                return nal_type < 16 and nal_type % 2 == 0 and header[1] & 7 == self._sub_layers
        return False
