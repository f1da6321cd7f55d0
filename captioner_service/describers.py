"""From settings to the describer they name. A new engine is a package of its own and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from captioner_service.batcher import Batcher
from captioner_service.describer import Describer
from captioner_service.engines import ENGINES, open_engine
from captioner_service.engines.transformers.options import DEFAULT_MODEL, TransformersOptions
from captioner_service.settings import CaptionerSettings
from captioner_service.worker.canary import CanaryBook
from captioner_service.worker.in_flight import InFlight
from captioner_service.worker.process import WorkerSpec
from captioner_service.worker.supervisor import Patience
from vidtomusictags.rpc.telemetry import SILENT, Telemetry

DEFAULT_PICTURE_PIXELS = 448
"""Short side of pictures for an endpoint: what most models of today tile or scale a picture to."""


def open_describer(settings: CaptionerSettings, telemetry: Telemetry = SILENT) -> Describer:
    """The describer of the engine that is named, not loaded. Raises ValueError with the names that exist.

    telemetry: hears of what happens apart from any clip, and of requests to endpoints.
    """
    if settings.engine in _OTHERS:
        return _OTHERS[settings.engine](settings, telemetry)
    if settings.engine not in ENGINES:
        names = ", ".join(sorted([*ENGINES, *_OTHERS]))
        raise ValueError(f"there is no caption engine {settings.engine!r}; there is: {names}")
    return Batcher(
        partial(open_engine, settings.engine),
        max_queued=settings.max_queued_clips,
        max_wait_seconds=settings.max_batch_wait_seconds,
    )


def _transformers(settings: CaptionerSettings, telemetry: Telemetry) -> Describer:
    options = {name: getattr(settings, name) for name in TransformersOptions.__dataclass_fields__}
    options["model"] = settings.model or DEFAULT_MODEL
    return InFlight(
        WorkerSpec(
            "captioner_service.engines.transformers.entry:make",
            options,
            {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"} if settings.offline else {},
        ),
        max_queued=settings.max_queued_clips,
        patience=Patience(
            load_seconds=settings.max_load_seconds,
            step_seconds=settings.max_step_seconds,
            restarts=settings.max_restarts,
            restart_window_seconds=settings.restart_window_seconds,
        ),
        canaries=CanaryBook(settings.canary_file),
        meter=telemetry.meter,
    )


def _openai(settings: CaptionerSettings, telemetry: Telemetry) -> Describer:
    try:
        from captioner_service.engines.openai.describer import OpenAIDescriber, OpenAIOptions  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "openai":
            raise
        raise ValueError("the openai captioner needs: pip install 'vidtomusictags[captioner-openai]'") from error
    return OpenAIDescriber(
        OpenAIOptions(
            base_urls=settings.openai_base_urls,
            model=settings.model,
            api_key=settings.openai_api_key.get_secret_value(),
            max_concurrent=settings.openai_max_concurrent,
            attempts=settings.openai_attempts,
            max_queued=settings.max_queued_clips,
            max_frames=settings.max_frames,
            default_frames=settings.default_frames,
            max_new_tokens=settings.max_new_tokens,
            frame_short_side_pixels=settings.frame_short_side_pixels or DEFAULT_PICTURE_PIXELS,
            load_seconds=settings.max_load_seconds,
        ),
        telemetry,
    )


_OTHERS: Mapping[str, Callable[[CaptionerSettings, Telemetry], Describer]] = {
    "openai": _openai,
    "transformers": _transformers,
}
"""Engines that work on many clips at once, and so are no `CaptionEngine` behind a `Batcher`."""
