"""The embedded caption engine: measures every clip on its own and writes down what was found."""

from __future__ import annotations

from collections.abc import Sequence

import cv2

from captioner_service.clip import Caption, Clip
from captioner_service.engines.embedded.checkpoint import read_tensors
from captioner_service.engines.embedded.efficientnet import EfficientNetLite0
from captioner_service.engines.embedded.faces import FaceFinder
from captioner_service.engines.embedded.groups import load_groups
from captioner_service.engines.embedded.look import measure_look
from captioner_service.engines.embedded.motion import measure_motion
from captioner_service.engines.embedded.recogniser import Recogniser
from captioner_service.engines.embedded.summary import summarise
from captioner_service.engines.embedded.weights import SHA256, read_weights
from captioner_service.engines.engine import ModelCard, OnText
from vidtomusictags.rpc.failures import NoFrames

RULES_VERSION = "1.0.0"
"""Version of measurements, thresholds and wording: a change of any of them may change a summary, and changes this."""

_CARD = ModelCard(
    engine="embedded",
    model="embedded-visual-facts",
    revision=f"rules-{RULES_VERSION}+efficientnet-lite0-{SHA256[:12]}+opencv-{cv2.__version__}",
    quantisation="none",
    frame_short_side_pixels=256,
    default_frames=8,
    max_frames=64,
    max_new_tokens=256,
    max_batch_clips=1,  # a batch costs the sum of its clips: a second one would only delay the first
    description=(
        "Describes what can be measured in the frames with OpenCV (light, colours, contrast, change, cuts, camera"
        " movement, frontal faces and shot size) and what EfficientNet-Lite0, an image classifier of 1,000 everyday"
        " classes, recognises in them: animals, plants, landscapes, buildings, vehicles, food and objects. It is no"
        " language model: it follows neither prompt nor generation options, and it understands no actions,"
        " relationships, stories or emotions. It says so when it does not recognise the content, and speaks of camera"
        " movement and pace only where frames lie"
        " close enough in time to show them."
    ),
)


class EmbeddedEngine:
    """A CaptionEngine without GPU, key or download. Blocks; one thread at a time.

    Equal frames and times give equal text, alone or in any company. Prompt and generation options have no effect: the
    wording is fixed, and `completion_tokens` stays 0 because nothing is generated from tokens.
    """

    def __init__(self) -> None:
        """Loads and checks everything. Raises WeightsUnavailable or RuntimeError with what to install."""
        # One thread each, here and in the network: replicas share a machine, and results must not depend on its cores.
        cv2.setNumThreads(1)
        network = EfficientNetLite0(read_tensors(read_weights()))
        self._recogniser: Recogniser | None = Recogniser(network, load_groups())
        self._faces = FaceFinder()

    @property
    def card(self) -> ModelCard:
        return _CARD

    def caption(self, clips: Sequence[Clip], on_text: OnText) -> list[Caption]:
        """One caption per clip, in order; `on_text` hears of it sentence by sentence. Raises NoFrames."""
        return [self._caption(clip, position, on_text) for position, clip in enumerate(clips)]

    def close(self) -> None:
        self._recogniser = None

    def _caption(self, clip: Clip, position: int, on_text: OnText) -> Caption:
        if self._recogniser is None:
            raise RuntimeError("the engine is closed")
        if clip.frame_count == 0:
            raise NoFrames("The clip has no frames: send at least one.", field="frames")
        caption = summarise(
            self._recogniser.recognise(clip.frames),
            self._faces.find(clip.frames),
            measure_look(clip.frames),
            measure_motion(clip.frames, clip.pts_seconds),
        )
        said = 0
        for statement in caption.statements:
            on_text(position, caption.text[said : statement.end])
            said = statement.end
        return caption
