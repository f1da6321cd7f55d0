"""The frames of one clip as they come out of the sandbox, all of one size, with their manifest."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.video.manifest import Manifest
from gateway.video.plan import Encoding


@dataclass(frozen=True)
class SampledClip:
    """Sampled frames in time order.

    frames: one bytes object each; a whole JPEG or PNG file, or for RGB24 height * width * 3 bytes, row by row.
    width, height: pixels of every frame.
    """

    frames: list[bytes] = field(repr=False)
    width: int
    height: int
    encoding: Encoding
    manifest: Manifest

    def array(self) -> NDArray[np.uint8]:
        """The frames as uint8, (frames, height, width, 3), RGB; a copy. Raises ValueError unless they are RGB24."""
        if self.encoding is not Encoding.RGB24:
            raise ValueError(f"frames are encoded as {self.encoding.value}; sample them as rgb24 for an array")
        stacked = np.frombuffer(b"".join(self.frames), dtype=np.uint8)
        return stacked.reshape(len(self.frames), self.height, self.width, 3)
