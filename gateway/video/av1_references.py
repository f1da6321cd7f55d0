"""Telling what of an AV1 packet other pictures refer to, from the first bits of its frame headers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from av.packet import Packet
from av.video.stream import VideoStream

_SEQUENCE_HEADER, _FRAME_HEADER, _TILE_GROUP, _FRAME, _REDUNDANT_FRAME_HEADER, _TILE_LIST = 1, 3, 4, 6, 7, 8
_PARTS_OF_PICTURES = frozenset({_FRAME_HEADER, _TILE_GROUP, _FRAME, _REDUNDANT_FRAME_HEADER, _TILE_LIST})
_KEY_FRAME, _INTRA_ONLY_FRAME, _SWITCH_FRAME = 0, 2, 3
_CHOSEN_BY_FRAME = 2  # SELECT_SCREEN_CONTENT_TOOLS and SELECT_INTEGER_MV
# More than any header needs up to refresh_frame_flags.
_HEADER_BYTES = 128


class Av1NeededBytes:
    """How many bytes of a packet, from its start, lead up to the last picture that changes a reference slot.

    A packet holds any number of hidden pictures, which are there to be referred to, and then the one that is shown;
    that is often not referred to (its refresh_frame_flags are 0), and the packet can be cut off before it.
    Section numbers are those of the AV1 bitstream specification (version 1.0.0 with errata 1). Until a sequence header
    was met, and in streams with a decoder model or reduced headers, which are rare, every byte is needed.
    """

    def __init__(self, extradata: bytes) -> None:
        self._sequence: _Sequence | None = None
        # av1C: four bytes and then OBUs, the sequence header among them.
        for kind, payload, _ in _obus(memoryview(extradata)[4:]):
            if kind == _SEQUENCE_HEADER:
                self._sequence = _sequence_header(_Bits(payload))

    def __call__(self, packet: Packet[VideoStream]) -> int:
        data = memoryview(packet)
        needed, is_spare, has_picture = 0, False, False
        for kind, payload, end in _obus(data):
            if kind == _SEQUENCE_HEADER:
                self._sequence = _sequence_header(_Bits(payload))
            elif kind in (_FRAME_HEADER, _FRAME):
                is_spare = self._sequence is not None and _refreshes_nothing(_Bits(payload), self._sequence)
                has_picture = True
            if kind in _PARTS_OF_PICTURES and not is_spare:
                needed = end
        return needed if has_picture else len(data)


@dataclass(frozen=True)
class _Sequence:
    """What of a sequence header tells how to read a frame header."""

    frame_id_bits: int
    screen_content_tools: int
    integer_mv: int
    order_hint_bits: int


class _Bits:
    """Reads unsigned numbers from the start of some bytes, most significant bit first; zeros follow the end."""

    def __init__(self, data: memoryview) -> None:
        head = bytes(data[:_HEADER_BYTES]).ljust(_HEADER_BYTES, b"\0")
        self._value = int.from_bytes(head, "big")
        self._left = 8 * _HEADER_BYTES

    def take(self, count: int) -> int:
        self._left = max(0, self._left - count)
        return self._value >> self._left & (1 << count) - 1


def _obus(data: memoryview) -> Iterator[tuple[int, memoryview, int]]:
    """Type, payload and end of each OBU of the low-overhead format (5.3)."""
    position = 0
    while position < len(data):
        header = data[position]
        position += 2 if header & 4 else 1  # obu_extension_flag
        length = len(data) - position
        if header & 2:  # obu_has_size_field
            length, position = _leb128(data, position)
        begin, position = position, min(position + length, len(data))
        yield header >> 3 & 15, data[begin:position], position


def _leb128(data: memoryview, position: int) -> tuple[int, int]:
    """The number that begins there (4.10.5), and where it ends."""
    value = 0
    for place, byte in enumerate(data[position : position + 8]):
        value |= (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            return value, position + place + 1
    return len(data), len(data)


def _sequence_header(bits: _Bits) -> _Sequence | None:
    """The sequence header (5.5.1); None where its frames are of a kind that is not read here."""
    bits.take(4)  # seq_profile, still_picture
    if bits.take(1):  # reduced_still_picture_header
        return None
    if bits.take(1):  # timing_info_present_flag
        bits.take(64)
        if bits.take(1):  # equal_picture_interval
            zeros = 0
            while zeros < 32 and not bits.take(1):
                zeros += 1
            bits.take(zeros)
        if bits.take(1):  # decoder_model_info_present_flag
            return None
    delays = bits.take(1)
    for _ in range(bits.take(5) + 1):  # operating points
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delays and bits.take(1):
            bits.take(4)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    bits.take(width_bits + height_bits)
    frame_id_bits = 0
    if bits.take(1):  # frame_id_numbers_present_flag
        frame_id_bits = bits.take(4) + 2
        frame_id_bits += bits.take(3) + 1
    bits.take(7)  # superblock size and six tools
    has_order_hint = bits.take(1)
    bits.take(2 * has_order_hint)
    screen_content_tools = _CHOSEN_BY_FRAME if bits.take(1) else bits.take(1)
    integer_mv = _CHOSEN_BY_FRAME
    if screen_content_tools and not bits.take(1):
        integer_mv = bits.take(1)
    order_hint_bits = bits.take(3) + 1 if has_order_hint else 0
    return _Sequence(frame_id_bits, screen_content_tools, integer_mv, order_hint_bits)


def _refreshes_nothing(bits: _Bits, sequence: _Sequence) -> bool:
    """Whether the frame header (5.9.2) has refresh_frame_flags 0."""
    if bits.take(1):  # show_existing_frame: costs next to nothing, and a keyframe shown again refreshes all
        return False
    frame_type, shown = bits.take(2), bits.take(1)
    if frame_type == _SWITCH_FRAME or (frame_type == _KEY_FRAME and shown):
        return False
    if not shown:
        bits.take(1)  # showable_frame
    intra = frame_type in (_KEY_FRAME, _INTRA_ONLY_FRAME)
    resilient = bits.take(1)
    bits.take(1)  # disable_cdf_update
    tools = sequence.screen_content_tools
    if tools == _CHOSEN_BY_FRAME:
        tools = bits.take(1)
    if tools and sequence.integer_mv == _CHOSEN_BY_FRAME:
        bits.take(1)  # force_integer_mv
    bits.take(sequence.frame_id_bits + 1 + sequence.order_hint_bits)  # and frame_size_override_flag
    if not (intra or resilient):
        bits.take(3)  # primary_ref_frame
    return bits.take(8) == 0
