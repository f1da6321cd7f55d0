"""Decoding the wanted frames of one GOP: from its keyframe on, and no more than they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import av
from av import VideoFrame
from av.packet import Packet
from av.video.stream import VideoStream

from gateway.video.droppable import needed_bytes_of
from gateway.video.frame_table import FrameTable, Group, TableKind
from gateway.video.gradual_refresh import gradual_refresh_test
from gateway.video.opening import OpenVideo

# Takes a frame: its index, the frame, and the video that it was decoded from.
Deliver = Callable[[int, VideoFrame, OpenVideo], None]

# Streams that refresh gradually, or whose keyframes only nearly allow entry, come out right from an earlier keyframe.
_EARLIER_KEYS = 8
_SEEK_ATTEMPTS = 6
# A target is displayed at most this many packets after it is sent: 16 reordered pictures (H.264, H.265), as fields.
_REORDER_PACKETS = 64


class TableMistaken(Exception):
    """The decoder does not give the frames that the table promised, and not for damage."""


@dataclass
class Tally:
    """Running counts of what the reading cost."""

    seeks: int = 0
    packets_decoded: int = 0
    packets_skipped: int = 0
    frames_decoded: int = 0

    def add(self, other: Tally) -> None:
        """Add the counts of another."""
        self.seeks += other.seeks
        self.packets_decoded += other.packets_decoded
        self.packets_skipped += other.packets_skipped
        self.frames_decoded += other.frames_decoded


class GopReader:
    """Reads frames of one open video, one GOP after the other. One thread at a time."""

    def __init__(self, video: OpenVideo, table: FrameTable, tally: Tally) -> None:
        self._video = video
        self._table = table
        self._tally = tally
        self._needed_bytes = needed_bytes_of(video)
        self._is_gradual = gradual_refresh_test(video)
        self._nearest: dict[int, VideoFrame] = {}
        self.substitutes: dict[int, int] = {}

    def read(self, group: Group, deliver: Deliver) -> None:
        """Give every frame of the group to `deliver(index, frame, video)`.

        Where a frame cannot be decoded for damage, the nearest one that can stands in: `deliver` gets that one's own
        index, and `substitutes` says for which; a frame without even that is left out.
        Raises TableMistaken where an undamaged stream does not hold what the table says.
        """
        key = group.key
        damaged_before = self._video.damaged_packets
        self._nearest.clear()
        missing = self._decode_from(key, {self._table.pts[i]: i for i in group.indices}, deliver)
        for earlier in range(key - 1, max(-1, key - 1 - _EARLIER_KEYS), -1):
            if not missing:
                return
            missing = self._decode_from(earlier, missing, deliver)
        if not missing:
            return
        if self._table.kind is TableKind.INDEX or self._video.damaged_packets == damaged_before:
            raise TableMistaken
        for pts, index in missing.items():
            if (frame := self._nearest.get(pts)) is not None and frame.pts is not None:
                substitute = self._table.index_of(frame.pts)
                self.substitutes[index] = substitute
                deliver(substitute, frame, self._video)

    def _decode_from(self, key: int, targets: dict[int, int], deliver: Deliver) -> dict[int, int]:
        """Decode from a keyframe until the targets (index by pts) are out; returns those that did not come."""
        missing = dict(targets)
        landing = self._land_on(key)
        if landing is None:
            return missing
        first, rest = landing
        if key > 0 and self._table.kind is TableKind.INDEX and self._is_gradual(first):
            raise TableMistaken
        # Leading pictures of an open GOP come after its keyframe but refer to the GOP before.
        unsent = {pts for pts in missing if first.pts is None or pts >= first.pts}
        if not unsent:
            return missing
        last = max(unsent)
        packet: Packet[VideoStream] | None = first
        while packet is not None and unsent and not self._is_past(packet, last):
            needed_bytes = self._needed_bytes(packet)
            if packet.pts in unsent:
                unsent.discard(packet.pts)
                self._send(packet, missing, deliver)
            elif packet is first or needed_bytes == packet.size:
                self._send(packet, missing, deliver)
            elif needed_bytes:
                self._send(_cut(packet, needed_bytes), missing, deliver)
            else:
                self._tally.packets_skipped += 1
            packet = next(rest, None)
        # Everything that the targets need is in the decoder: draining it spares the packets of its reordering delay.
        self._send(None, missing, deliver)
        self._video.flush()
        return missing

    def _send(self, packet: Packet[VideoStream] | None, missing: dict[int, int], deliver: Deliver) -> None:
        self._tally.packets_decoded += packet is not None
        try:
            frames = self._video.decode(packet)
        except av.FFmpegError:
            self._video.damaged_packets += 1
            return
        for frame in frames:
            self._tally.frames_decoded += 1
            if frame.pts is None:
                continue
            index = missing.pop(frame.pts, None)
            if index is not None:
                self._nearest.pop(frame.pts, None)
                deliver(index, frame, self._video)
            for pts in missing:
                known = self._nearest.get(pts)
                if known is None or known.pts is None or abs(frame.pts - pts) < abs(known.pts - pts):
                    self._nearest[pts] = frame

    def _is_past(self, packet: Packet[VideoStream], last: int) -> bool:
        """Whether this packet comes so late that the target at `last` cannot follow it."""
        position = self._table.decode_position
        if packet.pts is not None and packet.pts in position and last in position:
            return position[packet.pts] > position[last] + _REORDER_PACKETS
        return self._table.kind is TableKind.INDEX and packet.dts is not None and packet.dts > last

    def _land_on(self, key: int) -> tuple[Packet[VideoStream], Iterator[Packet[VideoStream]]] | None:
        """The packet of that keyframe and the packets after it; None where it is not to be found."""
        pts = self._table.key_pts[key]
        duration = self._table.end - self._table.start
        for attempt in range(_SEEK_ATTEMPTS + 1):
            if attempt == _SEEK_ATTEMPTS:
                self._video.rewind()
            elif not (attempt == 0 and key == 0 and self._video.at_start):
                self._tally.seeks += 1
                back = duration * 4**attempt // 400 if attempt else 0
                if not self._video.seek(pts - back):
                    continue
            packets = self._video.packets()
            for packet in packets:
                if not packet.is_keyframe:
                    continue
                found = self._compare_to_key(packet, key)
                if found == 0:
                    return packet, packets
                if found > 0:
                    break
        return None

    def _compare_to_key(self, packet: Packet[VideoStream], key: int) -> int:
        """0 where the packet is that keyframe, below 0 where it is an earlier one, above 0 where a later one."""
        keys, stamp = self._table.key_pts, packet.pts
        if self._table.key_dts:
            keys, stamp = self._table.key_dts, packet.dts
        if stamp is None:
            return -1
        return (stamp > keys[key]) - (stamp < keys[key])

    def read_sequentially(self, indices: list[int], deliver: Deliver) -> None:
        """Give the frames at `indices`, ascending, by decoding everything from the start. Raises TableMistaken."""
        self._video.rewind()
        wanted = set(indices)
        last = indices[-1]
        for index, frame in enumerate(self._video.all_frames()):
            self._tally.frames_decoded += 1
            if index in wanted:
                deliver(index, frame, self._video)
            if index >= last:
                return
        raise TableMistaken


def _cut(packet: Packet[VideoStream], size: int) -> Packet[VideoStream]:
    """The first `size` bytes of the packet at its place in time."""
    part = cast("Packet[VideoStream]", Packet(bytes(memoryview(packet)[:size])))
    part.pts, part.dts, part.time_base = packet.pts, packet.dts, packet.time_base
    return part
