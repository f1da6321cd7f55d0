"""Reading exactly the wanted frames, on as many cores as it pays to use."""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from gateway.video.frame_table import FrameTable, Group, TableKind
from gateway.video.gop import Deliver, GopReader, Tally
from gateway.video.opening import OpenVideo
from gateway.video.pictures import Painter

# Below this many pixels to decode, about three frames of 1080p, starting threads costs more than they save.
_WORTH_THREADS_PIXELS = 6_000_000
# Decoding a keyframe takes as long as this many other frames (H.264 1080p: 33 against 6 ms).
_KEYFRAME_COST = 5
# Shares of work that differ by no more than this count as even.
_UNEVEN = 1.15
_FRAMES_UNDER_WAY = 3


class FrameReader:
    """Reads frames of a video by their index in a table.

    Frames of several GOPs are read in several threads, each with its own open container, longest GOP first; FFmpeg lets
    go of Python's lock while it decodes. Where one GOP outweighs the others, its decoder uses all cores besides.
    """

    def __init__(self, video: OpenVideo, table: FrameTable, tally: Tally, threads: int = 1) -> None:
        self._video, self._table, self._tally, self._threads = video, table, tally, threads
        self.substitutes: dict[int, int] = {}
        self.in_order = True

    def read(self, indices: Iterable[int], deliver: Deliver) -> None:
        """Give every frame of `indices` to `deliver`, as `GopReader.read` does, each once and in any order.

        `deliver` is called from several threads when `in_order` has become False. Raises TableMistaken and whatever
        `deliver` raises.
        """
        wanted = sorted(set(indices))
        if not wanted:
            return
        if self._table.kind is TableKind.DECODING:
            self._video.use_decoder_threads(self._threads)
            GopReader(self._video, self._table, self._tally).read_sequentially(wanted, deliver)
            return
        groups = self._table.groups_of(wanted)
        costs = [group.frames - 1 + _KEYFRAME_COST for group in groups]
        coded = self._video.decoder.width * self._video.decoder.height
        if self._threads == 1 or sum(costs) * coded < _WORTH_THREADS_PIXELS:
            self._read_with_one_thread(groups, deliver)
            return
        containers = min(self._threads, len(groups))
        is_even = _longest_share(costs, self._threads) < _UNEVEN * sum(costs) / self._threads
        self._video.use_decoder_threads(1 if containers > 1 and is_even else self._threads)
        if containers > 1:
            self._read_in_parallel(groups, deliver, containers)
        else:
            self._read_one_after_the_other(groups, deliver)

    def glance(self, indices: Iterable[int]) -> dict[int, NDArray[np.float32]]:
        """Thumbnails of the frames at `indices`, float32 (18, 32, 3), 0 to 255; raises as `read` does."""
        painters = threading.local()
        thumbnails: dict[int, NDArray[np.float32]] = {}

        def paint(index: int, frame: VideoFrame, video: OpenVideo) -> None:
            if not hasattr(painters, "mine"):
                painters.mine = Painter()
            thumbnails[index] = painters.mine.thumbnail(frame)

        self.read(indices, paint)
        self.substitutes.clear()
        return thumbnails

    def _read_with_one_thread(self, groups: list[Group], deliver: Deliver) -> None:
        reader = GopReader(self._video, self._table, self._tally)
        for group in groups:
            reader.read(group, deliver)
        self.substitutes.update(reader.substitutes)

    def _read_one_after_the_other(self, groups: list[Group], deliver: Deliver) -> None:
        """Read in order, while another thread delivers, also in order: decoding need not wait for the scaling."""
        with ThreadPoolExecutor(1) as other:
            under_way: deque[Future[None]] = deque()

            def hand_over(index: int, frame: VideoFrame, video: OpenVideo) -> None:
                under_way.append(other.submit(deliver, index, frame, video))
                if len(under_way) > _FRAMES_UNDER_WAY:  # frames are large
                    under_way.popleft().result()

            self._read_with_one_thread(groups, hand_over)
            while under_way:
                under_way.popleft().result()

    def _read_in_parallel(self, groups: list[Group], deliver: Deliver, threads: int) -> None:
        self.in_order = False
        # The longest first, so that none is left over at the end; but not the end of a file that still arrives.
        queue = iter(groups if self._video.arrives_in_order else sorted(groups, key=lambda group: -group.frames))
        lock, stopped = threading.Lock(), threading.Event()
        main, table = self._video, self._table

        def work(video: OpenVideo, group: Group | None = None) -> None:
            tally = Tally()
            reader = GopReader(video, table, tally)
            try:
                while not stopped.is_set():
                    if group is None:
                        with lock:
                            group = next(queue, None)
                    if group is None:
                        return
                    reader.read(group, deliver)
                    group = None
            except BaseException:
                stopped.set()
                raise
            finally:
                with lock:
                    self._tally.add(tally)
                    self.substitutes.update(reader.substitutes)
                    if video is not main:
                        main.damaged_packets += video.damaged_packets

        def work_on_another() -> None:
            with main.another() as video:
                work(video)

        longest = next(queue)  # for the container whose decoder may use several cores
        with ThreadPoolExecutor(threads - 1) as pool:
            others = [pool.submit(work_on_another) for _ in range(threads - 1)]
            work(main, longest)
            for other in others:
                other.result()


def _longest_share(costs: list[int], threads: int) -> int:
    """The work of the busiest of `threads` threads that take the costliest open piece whenever they are free."""
    loads = [0] * threads
    for cost in sorted(costs, reverse=True):
        heapq.heapreplace(loads, loads[0] + cost)
    return max(loads)
