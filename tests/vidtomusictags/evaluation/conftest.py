"""What the tests of evaluation share: runs over made-up labels, and stages that answer as they are told."""

from __future__ import annotations

import numpy as np
import pytest
from made_up import measured

from vidtomusictags.evaluation.inference import Measured


@pytest.fixture
def run() -> Measured:
    """80 clips of 40 films by 6 tags, with ties, a failed clip, clips without tags and a tag that nobody expects."""
    return measured(np.random.default_rng(3))
