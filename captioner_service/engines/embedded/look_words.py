"""Puts light, colour, contrast and shot size into words."""

from __future__ import annotations

from captioner_service.clip import StatementKind
from captioner_service.engines.embedded.content_words import describe_faces
from captioner_service.engines.embedded.faces import Faces
from captioner_service.engines.embedded.look import Look
from captioner_service.engines.embedded.sentence import MEASURED, Sentence, join

WARM = -0.20
COOL = -0.65
"""On the scale of Look.warmth, where grey is -0.5."""

_LOW_CONTRAST = 0.09
_HIGH_CONTRAST = 0.27
_VARIED_LIGHT = 0.25
_MAIN_COLOUR_SHARE = 0.15
_ONE_SHADE_SHARE = 0.75
_MOST_COLOURS = 3


def describe_look(look: Look) -> list[Sentence]:
    """One sentence on all frames together, and one on their light where it differs much."""
    qualities = [_light(look.light), _colourfulness(look.colourfulness)]
    if look.warmth > WARM:
        qualities.append("warm-toned")
    elif look.warmth < COOL:
        qualities.append("cool-toned")
    if look.contrast > _HIGH_CONTRAST:
        qualities.append("high in contrast")
    elif look.contrast < _LOW_CONTRAST:
        qualities.append("low in contrast")
    colours = _main_colours(look)
    main = f"main colours are {join(colours)}" if len(colours) > 1 else f"main colour is {colours[0]}"
    texts = [f"The picture is {join(qualities)}; its {main}."]
    darkest, brightest = _light(look.darkest), _light(look.brightest)
    if darkest != brightest and look.brightest - look.darkest > _VARIED_LIGHT:
        texts.append(f"The picture varies from {darkest} to {brightest}.")
    return [Sentence(text, StatementKind.LOOK, MEASURED) for text in texts]


def describe_framing(faces: Faces) -> list[Sentence]:
    """Shot size, judged by the height of the faces; without a face nothing is said. Certainty: as that of the faces."""
    sentences = describe_faces(faces)
    if not sentences:
        return []
    size = "a close-up" if faces.height > 0.33 else "a medium shot" if faces.height > 0.14 else "a wide shot"
    share = round(100 * faces.height)
    text = f"The framing appears to be that of {size}: a face takes about {share} % of the picture's height."
    return [Sentence(text, StatementKind.LOOK, sentences[0].certainty)]


def _light(light: float) -> str:
    if light < 0.16:
        return "very dark"
    if light < 0.30:
        return "dark"
    return "bright" if light > 0.62 else "medium-lit"


def _colourfulness(measure: float) -> str:
    """The words of Hasler and Süsstrunk's observers, near the values where they chose them."""
    if measure < 15:
        return "nearly colourless"
    if measure < 33:
        return "muted"
    if measure < 59:
        return "moderately colourful"
    return "colourful" if measure < 82 else "very colourful"


def _main_colours(look: Look) -> list[str]:
    """Colours that take a good share, largest first. Shades of one colour go together, by its plain name."""
    families: dict[str, list[tuple[str, float]]] = {}
    for name, share in look.colours:
        families.setdefault(name.split()[-1], []).append((name, share))
    shares: dict[str, float] = {}
    for family, shades in families.items():
        total = sum(share for _, share in shades)
        largest_shade, largest_share = shades[0]
        shares[largest_shade if largest_share >= _ONE_SHADE_SHARE * total else family] = total
    names = sorted(shares, key=lambda name: -shares[name])
    return [name for name in names if shares[name] >= _MAIN_COLOUR_SHARE][:_MOST_COLOURS] or names[:1]
