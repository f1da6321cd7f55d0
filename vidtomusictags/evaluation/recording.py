"""Recordings: the answers of models in a file of lines, so that an evaluation can be repeated without them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from vidtomusictags.evaluation.run_spec import RunSpec
from vidtomusictags.evaluation.stage_results import Identity
from vidtomusictags.evaluation.stage_store import StageStore

_FORMAT = 1


class RecordingUnusable(ValueError):
    """A recording cannot be read, or does not hold the run that is asked of it; the message says what to do."""


class Recorder:
    """A store in front of another one that notes everything that is used, failures too."""

    only = False

    def __init__(self, store: StageStore) -> None:
        self._store = store
        self._lock = Lock()
        self._lines: dict[tuple[str, str], dict[str, Any]] = {}

    def get(self, key: str) -> dict[str, Any] | None:
        """The other store's result, noted."""
        content = self._store.get(key)
        if content is not None:
            self._note("result", key, content)
        return content

    def put(self, key: str, stage: str, content: Mapping[str, Any]) -> None:
        """Keeps and notes a result."""
        self._store.put(key, stage, content)
        self._note("result", key, dict(content))

    def note_run(self, spec: RunSpec, identities: Mapping[str, Identity]) -> None:
        """Notes what did the work of a run, which nobody can be asked for later."""
        facts = {stage: dict(identity.facts) for stage, identity in identities.items()}
        self._note("run", spec.digest, {"spec": spec.to_dict(), "identities": facts})

    def note_clip(self, clip: str, digest: str) -> None:
        """Notes what a clip's bytes were, so that a repetition needs no clips."""
        self._note("clip", clip, {"digest": digest})

    def write(self, path: Path) -> None:
        """Writes all of it, in one order whatever came first."""
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [{"kind": "format", "key": "", "content": {"version": _FORMAT}}]
        lines += [
            {"kind": kind, "key": key, "content": content} for (kind, key), content in sorted(self._lines.items())
        ]
        unfinished = path.with_name(f"{path.name}.part")
        with unfinished.open("w", encoding="utf-8") as file:
            for line in lines:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        unfinished.replace(path)

    def _note(self, kind: str, key: str, content: dict[str, Any]) -> None:
        with self._lock:
            self._lines[kind, key] = content


class Replay:
    """A recording, read. A store that has what was recorded and nothing else."""

    only = True

    def __init__(self, path: Path) -> None:
        """Raises RecordingUnusable, OSError."""
        self._content: dict[tuple[str, str], dict[str, Any]] = {}
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    entry = json.loads(line)
                    self._content[entry["kind"], entry["key"]] = entry["content"]
                except (ValueError, KeyError, TypeError) as error:
                    raise RecordingUnusable(f"{path.name}, line {number}: is no line of a recording.") from error
        if self._content.get(("format", ""), {}).get("version") != _FORMAT:
            raise RecordingUnusable(f"{path.name}: is no recording of format {_FORMAT}; record it anew.")

    def get(self, key: str) -> dict[str, Any] | None:
        """The recorded result, or None."""
        return self._content.get(("result", key))

    def put(self, key: str, stage: str, content: Mapping[str, Any]) -> None:
        """Nothing is added to a recording that is read."""

    def identities(self, spec: RunSpec) -> dict[str, Identity]:
        """What did the work of a run, by stage. Raises RecordingUnusable."""
        found = self._content.get(("run", spec.digest))
        if found is None:
            held = "; ".join(json.dumps(run["spec"]) for (kind, _), run in self._content.items() if kind == "run")
            raise RecordingUnusable(f"The recording does not hold run {spec.name!r} with these settings, but: {held}.")
        return {stage: Identity(stage, facts) for stage, facts in found["identities"].items()}

    def clip_digest(self, clip: str) -> str | None:
        """What the bytes of a clip were when it was recorded."""
        found = self._content.get(("clip", clip))
        return None if found is None else str(found["digest"])
