"""Making the table of a stream's frames: from the container's index, from its packets, or by decoding it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from av.packet import Packet
from av.video.stream import VideoStream

from gateway.video.droppable import needed_bytes_of
from gateway.video.frame_table import FrameTable, PacketTrace, TableKind
from gateway.video.gradual_refresh import gradual_refresh_test
from gateway.video.limits import SandboxLimits
from gateway.video.opening import OpenVideo
from vidtomusictags.rpc import failures

_AVINDEX_DISCARD_FRAME = 2
# Their packets are patches of a canvas, and their keyframe flags do not mean that decoding can start there.
_CANVAS_CODECS = frozenset({"gif", "apng", "webp", "png"})
_UNKNOWN_RATE = 25


def locate_frames(
    video: OpenVideo, limits: SandboxLimits, *, cheapest: TableKind, with_trace: bool = False
) -> FrameTable:
    """The table of the stream by the cheapest way that works, `cheapest` or a later one.

    with_trace: note what the packets tell, where they can be read.
    Raises VideoUnreadable where nothing can be decoded, VideoTooLarge where there are too many frames.
    """
    table = None
    if cheapest is TableKind.INDEX and not with_trace:
        table = table_from_index(video)
    if table is None and cheapest is not TableKind.DECODING:
        table = table_from_packets(video, limits, with_trace=with_trace)
    return table or table_from_decoding(video, limits)


def table_from_index(video: OpenVideo) -> FrameTable | None:
    """The table of a constant-rate stream from the container's own index, without reading a packet but the first.

    None where the container does not hold one entry per frame at a constant step. The entries carry decode
    timestamps, so the keyframes' display times are predictions: right for closed GOPs, too early for open ones.
    """
    if video.format not in ("mov", "avi") or video.codec in _CANVAS_CODECS:
        return None
    entries = list(video.stream.index_entries)
    if len(entries) < 2 or len(entries) != video.stream.frames:
        return None  # fragmented, truncated or edited
    stamps = [entry.timestamp for entry in entries]
    step = stamps[1] - stamps[0]
    if step <= 0 or stamps != list(range(stamps[0], stamps[0] + step * len(stamps), step)):
        return None
    # A file that still arrives is not yet as long as its index says; any other is cut off, and its frames are counted.
    end_of_file = video.container.size if not video.arrives_in_order and video.container.size > 0 else math.inf
    if any(
        entry.flags & _AVINDEX_DISCARD_FRAME or entry.size == 0 or entry.pos + entry.size > end_of_file
        for entry in entries
    ):
        return None
    first = video.peek()
    if first is None or not first.is_keyframe or not entries[0].is_keyframe or first.pts is None or first.dts is None:
        return None
    keys = [position for position, entry in enumerate(entries) if entry.is_keyframe]
    end = first.pts + step * len(entries)
    return FrameTable(
        kind=TableKind.INDEX,
        time_base=video.time_base,
        pts=range(first.pts, end, step),
        end=end,
        key_pts=[first.pts + step * position for position in keys],
        key_dts=[first.dts + step * position for position in keys],
    )


def table_from_packets(video: OpenVideo, limits: SandboxLimits, *, with_trace: bool = False) -> FrameTable | None:
    """The table from one pass over the packets, decoding none; None where their timestamps do not tell.

    A sequential decode shows exactly the packets that are not marked as discarded (by an edit list), come at or after
    the first keyframe, and are displayed at or after it.
    """
    if video.codec in _CANVAS_CODECS:
        return None
    video.rewind()
    needed_bytes, is_gradual, refreshes_gradually = needed_bytes_of(video), gradual_refresh_test(video), False
    trace: list[tuple[int, int, bool, bool]] = []
    stamps: list[int] = []
    keys: list[int] = []
    shown: list[int] = []
    durations: dict[int, int] = {}
    broken_off = None
    for packet in video.packets():
        if packet.pts is None:
            return None
        if packet.is_keyframe:
            if keys and is_gradual(packet):
                refreshes_gradually = True
            else:
                keys.append(packet.pts)
        if keys and packet.pts >= keys[0] and not packet.is_discard and not _is_invisible(video.codec, packet):
            shown.append(packet.pts)
            durations[packet.pts] = packet.duration or 0
        stamps.append(packet.pts)
        if with_trace:
            trace.append((packet.pts, packet.size, packet.is_keyframe, needed_bytes(packet) == 0))
        broken_off = packet.pts if packet.is_corrupt else None
        if len(stamps) > limits.max_frames:
            raise failures.VideoTooLarge(f"The video has more than {limits.max_frames} frames; send a shorter clip.")
    positions = {pts: position for position, pts in enumerate(stamps)}
    if not shown or len(positions) != len(stamps) or any(b <= a for a, b in pairwise(keys)):
        return None
    shown.sort()
    if video.codec in ("h264", "hevc") and broken_off in shown and len(shown) > 1:
        shown.remove(broken_off)  # the file ends within a NAL unit, and such a packet gives no frame
    last_duration, estimated = durations[shown[-1]], False
    if last_duration <= 0:
        last_duration, estimated = _usual_step(shown, video), True
    return FrameTable(
        kind=TableKind.PACKETS,
        time_base=video.time_base,
        pts=shown,
        end=shown[-1] + last_duration,
        end_estimated=estimated,
        key_pts=keys,
        refreshes_gradually=refreshes_gradually,
        decode_position=positions,
        trace=PacketTrace(*zip(*trace, strict=True)) if trace else None,
    )


def with_confirmed_keys(video: OpenVideo, table: FrameTable, near: Iterable[Fraction]) -> FrameTable:
    """The table with the true display times of the keyframes around the given times.

    Tables from the index predict them, and an open GOP displays its keyframe later than predicted. Reading two
    keyframe packets for each time, without decoding, is far cheaper than decoding a GOP to reach a frame that was
    taken for a keyframe (HEVC 1080p, 60 s, 8 targets: 739 against 4809 ms).
    """
    if not table.key_dts:
        return table
    confirmed = list(table.key_pts)
    after = (table.key_before(math.floor(time)) + 1 for time in near)
    for key in sorted({key for after_key in after for key in (after_key - 1, after_key) if 0 < key < len(confirmed)}):
        if not video.seek(table.key_pts[key]):
            break
        for packet in video.packets():
            if packet.dts is None or packet.dts > table.key_dts[key]:
                break
            if packet.dts == table.key_dts[key]:
                confirmed[key] = table.key_pts[key] if packet.pts is None else packet.pts
                break
    if any(b <= a for a, b in pairwise(confirmed)):
        return table
    return replace(table, key_pts=confirmed)


def table_from_decoding(video: OpenVideo, limits: SandboxLimits) -> FrameTable:
    """The table from decoding everything: for streams whose packets do not tell. Raises VideoUnreadable."""
    video.rewind()
    stamps: list[int | None] = []
    last_duration = 0
    for frame in video.all_frames():
        stamps.append(frame.pts)
        last_duration = frame.duration
        if len(stamps) > limits.max_frames:
            raise failures.VideoTooLarge(f"The video has more than {limits.max_frames} frames; send a shorter clip.")
    if not stamps:
        raise failures.VideoUnreadable("No frame of the video can be decoded; send an intact file.")
    known = [pts for pts in stamps if pts is not None]
    if len(known) == len(stamps) and all(b > a for a, b in pairwise(known)):
        end = known[-1] + (last_duration or _usual_step(known, video))
        return FrameTable(TableKind.DECODING, video.time_base, known, end, end_estimated=last_duration <= 0)
    step = _usual_step([], video)
    start = known[0] if known else 0
    end = start + step * len(stamps)
    return FrameTable(
        TableKind.DECODING,
        video.time_base,
        range(start, end, step),
        end,
        end_estimated=True,
        timestamps_estimated=True,
        stated_pts=stamps,
    )


def _usual_step(stamps: Sequence[int], video: OpenVideo) -> int:
    """A frame's usual length in units of the time base: the median gap, else from the frame rate."""
    if len(stamps) > 1:
        return max(1, round(statistics.median(b - a for a, b in pairwise(stamps))))
    return max(1, round(1 / ((video.frame_rate or _UNKNOWN_RATE) * video.time_base)))


def _is_invisible(codec: str, packet: Packet[VideoStream]) -> bool:
    """Whether the packet holds a VP8 frame that is only ever referred to (RFC 6386, 9.1: show_frame)."""
    return codec == "vp8" and not memoryview(packet)[0] & 0x10
