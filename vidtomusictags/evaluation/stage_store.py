"""Keeps what stages gave, by content: the same input to the same model is never paid for twice."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from vidtomusictags.evaluation.stage_results import Identity

_SCHEMA = "CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, stage TEXT NOT NULL, content TEXT NOT NULL)"
FAILURE = "failure"
"""A stored failure is {"failure": {"reason", "message"}}."""


def content_key(identity: Identity, given: Mapping[str, Any]) -> str:
    """The name of a result: a sha256 over what does the work and what it is given."""
    content = json.dumps([identity.stage, dict(identity.facts), dict(given)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


class StageStore(Protocol):
    """Results by key. Used from several threads at once."""

    @property
    def only(self) -> bool:
        """True: what is not here cannot be had, and nothing may be called for it."""
        ...

    def get(self, key: str) -> dict[str, Any] | None: ...

    def put(self, key: str, stage: str, content: Mapping[str, Any]) -> None: ...


class StageCache:
    """A store in one SQLite file, which outlives an evaluation that was broken off. A context manager.

    Failures are not kept: the next evaluation tries again.
    """

    only = False

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, timeout=30.0)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute(_SCHEMA)
        self._database.commit()

    def get(self, key: str) -> dict[str, Any] | None:
        """The result, or None."""
        with self._lock:
            row = self._database.execute("SELECT content FROM results WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, key: str, stage: str, content: Mapping[str, Any]) -> None:
        """Keeps a result at once."""
        if FAILURE in content:
            return
        with self._lock:
            self._database.execute(
                "INSERT OR REPLACE INTO results VALUES (?, ?, ?)", (key, stage, json.dumps(content, ensure_ascii=False))
            )
            self._database.commit()

    def close(self) -> None:
        """Lets the file go."""
        with self._lock:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
