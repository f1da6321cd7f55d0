"""What a fixed clip came to at the first start, so that wrong weights or a wrong set-up show at the next."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from captioner_service.worker.messages import Ready


class CanaryBook:
    """Remembers canaries, in a file where one is named, else for the life of the service.

    Tokens are only compared for the same model, revision, quantisation, kind of device, arithmetic and version.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known: dict[str, Sequence[int]] = {}
        if file is not None and file.exists():
            self._known = json.loads(file.read_text(encoding="utf-8"))

    def fault(self, ready: Ready) -> str:
        """What is wrong with a worker that says it is ready; empty where nothing is. Remembers a new one."""
        card = ready.model_card()
        key = " | ".join((card.model, card.revision, card.quantisation, ready.device))
        remembered = self._known.get(key)
        if remembered is not None:
            if list(remembered) == list(ready.canary):
                return ""
            where = f" (remembered in {self._file})" if self._file else ""
            return f"its canary came to other tokens than at the first start{where}"
        self._known[key] = list(ready.canary)
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            unfinished = self._file.with_suffix(".new")
            unfinished.write_text(json.dumps(self._known, indent=1), encoding="utf-8")
            unfinished.replace(self._file)
        return ""
