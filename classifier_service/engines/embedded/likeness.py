"""The arithmetic of how like a tag something is: the same for a summary and for an everyday scene."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.floating]

NEAREST = 3
"""How many of a tag's examples count: those most similar. One alone may be an accident, all would blur the tag."""

_LEAST_CUE = 0.4
"""Cosine from which a clause is taken to speak of a cue: cues are short and resemble much a little."""


def nearest(similarities: Numbers) -> Numbers:
    """The NEAREST highest of the last axis, or all where there are fewer."""
    return np.sort(similarities, axis=-1)[..., -NEAREST:]


def combined(to_centre: Numbers, to_examples: Numbers) -> Numbers:
    """Likeness (...), half of it to a tag's centre (...) and half to its nearest examples (..., examples).

    A tag without examples has its centre only.
    """
    if to_examples.shape[-1] == 0:
        return to_centre
    result: Numbers = (to_centre + nearest(to_examples).mean(axis=-1)) / 2
    return result


def pull_of_cues(to_cues: Numbers) -> float:
    """How much cues against a tag lower its likeness. to_cues: cosines of the whole and each clause to each cue."""
    return 0.0 if to_cues.size == 0 else max(0.0, float(to_cues.max()) - _LEAST_CUE) / 2
