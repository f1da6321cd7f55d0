"""Puts movement, cuts and pace into words, as far as the spacing of the frames allows any."""

from __future__ import annotations

from captioner_service.clip import StatementKind
from captioner_service.engines.embedded.camera import Camera
from captioner_service.engines.embedded.motion import Motion
from captioner_service.engines.embedded.sentence import MEASURED, Sentence

PACE_SECONDS = 3.0
"""A shorter stretch says nothing about the pace of the cutting."""

_FAST_CUTS_PER_MINUTE = 18
_SLOW_CUTS_PER_MINUTE = 6

_STILL_WIDTHS = 0.03
_STILL_ZOOM = 0.03
_PAN_WIDTHS = 0.04
_RESTLESS_WIDTHS = 0.08
_CALM_SUBJECT = 0.02
_FAST_SUBJECT = 0.3


def describe_motion(motion: Motion | None) -> list[Sentence]:
    """Nothing for a single frame; of frames far apart only how much they differ, no camera movement and no pace.

    Certainty: for the camera the share of points that move with it.
    """
    if motion is None:
        return []
    sentences = []
    if motion.camera is not None:
        reach = "" if motion.all_close else ", as far as frames close in time show it"
        text = f"The camera appears to {_direction(motion.camera)}, with {_amount(motion.camera)}{reach}."
        sentences.append(Sentence(text, StatementKind.MOTION, motion.camera.agreement))
    text = _cutting(motion) if motion.all_close else _change(motion)
    return [*sentences, Sentence(text, StatementKind.MOTION, MEASURED)]


def _direction(camera: Camera) -> str:
    across, along = abs(camera.right), abs(camera.up)
    if camera.speed < _STILL_WIDTHS and abs(camera.zoom) < _STILL_ZOOM:
        return "stand still"
    if abs(camera.zoom) > max(2 * _STILL_ZOOM, camera.speed):
        return "zoom in or move closer" if camera.zoom > 0 else "zoom out or move away"
    if across > max(_PAN_WIDTHS, 0.6 * camera.speed, 1.5 * along):
        return f"pan or travel to the {'right' if camera.right > 0 else 'left'}"
    if along > max(_PAN_WIDTHS, 0.6 * camera.speed, 1.5 * across):
        return f"tilt or travel {'up' if camera.up > 0 else 'down'}"
    return "move in changing directions" if camera.speed > _RESTLESS_WIDTHS else "move slightly"


def _amount(camera: Camera) -> str:
    if camera.subject < _CALM_SUBJECT:
        return "little movement in the picture"
    return "some movement in the picture" if camera.subject < _FAST_SUBJECT else "fast movement in the picture"


def _cutting(motion: Motion) -> str:
    """Cuts can be counted, because every neighbour is close."""
    seen = f"the {motion.span_seconds:.1f} s seen"
    if motion.cuts == 0:
        return f"The picture appears to be one continuous shot over {seen}."
    counted = f"The picture cuts {'once' if motion.cuts == 1 else f'{motion.cuts} times'} in {seen}"
    if motion.span_seconds < PACE_SECONDS:
        return f"{counted}."
    per_minute = 60 * motion.cuts / motion.span_seconds
    if per_minute > _FAST_CUTS_PER_MINUTE:
        return f"{counted}, a fast pace of cutting."
    return f"{counted}, a {'moderate' if per_minute > _SLOW_CUTS_PER_MINUTE else 'slow'} pace of cutting."


def _change(motion: Motion) -> str:
    frames = f"the {motion.frames} sampled frames, about {motion.gap_seconds:.1f} s apart"
    if motion.views > 1:
        return (
            f"The picture changes completely among {frames}: they hold at least {motion.views} different views,"
            " by cuts or by a moving camera."
        )
    if motion.change < 0.008:
        return f"The picture hardly changes between {frames}."
    if motion.change < 0.03:
        return f"The picture changes a little between {frames}."
    return f"The picture changes {'noticeably' if motion.change < 0.08 else 'a lot'} between {frames}."
