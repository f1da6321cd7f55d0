"""What was noticed about a video while it was sampled, gathered as the manifest's warnings."""

from __future__ import annotations

from av import VideoFrame

from gateway.video.frame_table import FrameTable, TableKind
from gateway.video.manifest import Warning
from gateway.video.opening import OpenVideo
from gateway.video.pictures import is_hdr
from gateway.video.tone_mapping import TRANSFER_PQ


class Findings:
    """Warnings, each code once, in the order in which they were met."""

    def __init__(self) -> None:
        self._warnings: dict[str, Warning] = {}

    @property
    def warnings(self) -> tuple[Warning, ...]:
        return tuple(self._warnings.values())

    def add(self, code: str, message: str) -> None:
        """Note a warning unless its code is already there."""
        self._warnings.setdefault(code, Warning(code, message))

    def extend(self, others: Findings) -> None:
        """Take over the warnings of `others`."""
        for warning in others.warnings:
            self.add(warning.code, warning.message)

    def look_at_container(self, video: OpenVideo) -> None:
        """Note what the container alone shows."""
        if video.candidate_streams > 1:
            self.add(
                "several_video_streams",
                f"The file has {video.candidate_streams} video streams; stream {video.stream.index} was sampled.",
            )

    def look_at_frame(self, frame: VideoFrame, *, tone_mapped: bool) -> None:
        """Note what one decoded frame shows; tone_mapped: what becomes of it if it is HDR."""
        if is_hdr(frame):
            name = "PQ" if frame.color_trc == TRANSFER_PQ else "HLG"
            if tone_mapped:
                self.add(
                    "hdr_tone_mapped", f"The video is HDR ({name}); it was tone-mapped, highlights are compressed."
                )
            else:
                self.add(
                    "hdr_not_tone_mapped",
                    f"The video is HDR ({name}) and this sampler does not tone-map; frames look flat or dark.",
                )
        if frame.interlaced_frame:
            self.add("interlaced", "The video is interlaced and was not deinterlaced; motion shows combing.")
        if frame.is_corrupt:
            self.add_damage()

    def has(self, code: str) -> bool:
        """Whether a warning of that code was noted."""
        return code in self._warnings

    def add_mistaken(self, kind: TableKind) -> None:
        """Note that the decoder gave other frames than the table of that kind promised."""
        source = "index" if kind is TableKind.INDEX else "packets"
        self.add("table_mistaken", f"The container's {source} did not match its frames; they were located anew.")

    def look_at_table(self, video: OpenVideo, table: FrameTable) -> None:
        """Note what locating the frames showed."""
        promised = video.stream.frames if video.format == "avi" else len(video.stream.index_entries)
        found = len(table.decode_position)
        if table.kind is TableKind.PACKETS and 0 < found < promised:
            self.add("truncated", f"The container promises {promised} frames, but only {found} are there.")
        if table.kind is TableKind.DECODING:
            self.add("decoded_sequentially", "The video does not allow seeking to exact frames; all of it was decoded.")
        if table.refreshes_gradually:
            self.add(
                "gradual_refresh",
                "The video refreshes its picture gradually; it was decoded from the last whole keyframe, at length.",
            )
        if table.timestamps_estimated:
            self.add("timestamps_estimated", "The video has no usable timestamps; a constant frame rate was assumed.")
        elif table.end_estimated:
            self.add("duration_estimated", "The length of the last frame is not stated; the usual one was assumed.")

    def add_damage(self) -> None:
        """Note that what came back is not all as it was meant to be."""
        self.add("damaged", "The video is damaged; some pictures were concealed or replaced by their neighbours.")

    def add_shortage(self, requested: int, found: int) -> None:
        """Note that fewer frames come back than were asked for."""
        self.add("fewer_frames", f"{requested} frames were asked for, and {found} distinct ones are there.")
