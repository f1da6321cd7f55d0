"""Lets the tests of this folder find their helpers."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # under importlib mode nothing else lets tests find their helpers
