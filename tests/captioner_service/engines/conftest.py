"""Lets the contract suite find what the folders beside it know: endpoints to ask, checkpoints to load."""

from __future__ import annotations

import sys
from pathlib import Path

for folder in ("openai_engine", "transformers_engine"):
    sys.path.insert(0, str(Path(__file__).parent / folder))  # under importlib mode nothing else lets tests find them
