"""Reads the YAML of a taxonomy file into plain values and remembers the line of each, within bounds.

A subset of YAML 1.2 is read: no aliases, anchors or type tags, and only `true` and `false` are booleans. So nothing can
expand, a Norwegian label may stand under `no:`, and a catalogue number 010417 keeps its zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import yaml

from classifier_service.taxonomy_faults import Fault, Place, field_name, owner_name

MOST_BYTES = 2 * 1024 * 1024
MOST_VALUES = 250_000
"""Room for 5000 tags of 40 values each; bounds the memory that a small but crowded file can take."""
MOST_LEVELS = 5
"""The format has five: taxonomy, tags, tag, cues, cue."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# Each is narrower than what PyYAML's dumper takes for a number, so whatever it leaves unquoted is text here too.
_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]*(?:[eE][-+][0-9]+)?|-?\.inf|\.nan")


@dataclass(frozen=True)
class Document:
    """What a file says. data: dicts with text keys, lists, text, numbers, booleans and None; None if unreadable."""

    data: object
    lines: Mapping[Place, int] = field(default_factory=dict)
    faults: Sequence[Fault] = ()

    def line_of(self, place: Place) -> int | None:
        """Line from 1 of the value, or of the nearest value around it that the file has."""
        for length in range(len(place), -1, -1):
            if place[:length] in self.lines:
                return self.lines[place[:length]]
        return None

    def owner_of(self, place: Place) -> str:
        """The tag or facet that the place lies in, as faults name it."""
        if len(place) < 2 or place[0] not in ("tags", "facets") or not isinstance(place[1], int):
            return ""
        entries = self.data.get(place[0]) if isinstance(self.data, dict) else None
        entry = entries[place[1]] if isinstance(entries, list) else None
        return owner_name(str(place[0])[:-1], entry.get("id") if isinstance(entry, dict) else None, place[1])


def read_document(text: str | bytes) -> Document:
    """Reads one YAML document. Faults are returned, not raised; a fault that ends the reading leaves `data` None."""
    try:
        raw = _bounded(text)
        composer = _Composer(iter(yaml.parse(raw.decode("utf-8-sig"), Loader=_LOADER)))
        data = composer.document()
    except UnicodeDecodeError as error:
        return _unreadable("is not UTF-8 text; save it with that encoding", raw.count(b"\n", 0, error.start) + 1)
    except yaml.reader.ReaderError as error:
        line = raw.count(b"\n", 0, error.position) + 1
        return _unreadable(f"holds a character that YAML does not allow: {error.reason}", line)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return _unreadable(f"is not valid YAML: {error.problem}{_advice(error.problem or '')}", line)
    except _Unreadable as unreadable:
        return _unreadable(unreadable.problem, unreadable.line)
    document = Document(data, composer.lines)
    repeated = [replace(fault, owner=document.owner_of(fault.place)) for fault in composer.repeated]
    return replace(document, faults=repeated)


class _Unreadable(Exception):
    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem)
        self.problem, self.line = problem, line


def _bounded(text: str | bytes) -> bytes:
    try:
        raw = text.encode() if isinstance(text, str) else text
    except UnicodeEncodeError:
        raise _Unreadable("is not Unicode text") from None
    if len(raw) > MOST_BYTES:
        raise _Unreadable(f"is larger than {MOST_BYTES // 1024 // 1024} MiB")
    return raw


def _unreadable(problem: str, line: int | None) -> Document:
    return Document(None, faults=[Fault((), problem, line=line)])


def _advice(problem: str) -> str:
    if "mapping values" in problem:
        return "; put text that holds a colon and a space in quotes"
    if "cannot start any token" in problem:
        return "; indent with spaces, not tabs, and put text that begins with @, % or ` in quotes"
    return ""


class _Composer:
    """Turns the parser's events into values, noting lines."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self.lines: dict[Place, int] = {}
        self.repeated: list[Fault] = []
        self._events = events
        self._values = 0

    def document(self) -> object:
        """The only document of the stream."""
        data: object = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _Unreadable("holds more than one document; keep one taxonomy to a file", _line(event))
                data = self._value(next(self._events), ())
        if data is None:
            raise _Unreadable("is empty")
        return data

    def _value(self, event: yaml.Event, place: Place) -> object:
        self._values += 1
        if self._values > MOST_VALUES:
            raise _Unreadable(f"holds more than {MOST_VALUES} values", _line(event))
        if len(place) > MOST_LEVELS:
            raise _Unreadable("is nested too deeply for a taxonomy", _line(event))
        if isinstance(event, yaml.AliasEvent):
            raise _Unreadable(f"aliases such as *{event.anchor} are not read; write the value out", _line(event))
        if (anchor := getattr(event, "anchor", None)) is not None:
            raise _Unreadable(f"anchors such as &{anchor} are not read; leave it out", _line(event))
        if getattr(event, "tag", None) is not None:
            raise _Unreadable("types such as !!str are not read; put text in quotes instead", _line(event))
        self.lines.setdefault(place, _line(event))
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(place)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(place)
        assert isinstance(event, yaml.ScalarEvent)
        return _scalar(event)

    def _sequence(self, place: Place) -> list[object]:
        values: list[object] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            values.append(self._value(event, (*place, len(values))))
        return values

    def _mapping(self, place: Place) -> dict[str, object]:
        values: dict[str, object] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _Unreadable("a key must be a word", _line(event))
            key, key_place = event.value, (*place, event.value)
            if key not in values:
                self.lines[key_place] = _line(event)
                values[key] = self._value(next(self._events), key_place)
                continue
            # The later value is read to move past it; its lines must not replace those of the first.
            kept, self.lines = self.lines, {}
            self._value(next(self._events), key_place)
            self.lines = kept
            problem = f"key {field_name(key_place)} is written twice"
            self.repeated.append(Fault(key_place, problem, earlier=key_place, line=_line(event)))
        return values


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _scalar(event: yaml.ScalarEvent) -> object:
    text: str = event.value
    if not event.implicit[0]:
        return text
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text.replace(".inf", "inf").replace(".nan", "nan")) if _FLOAT.fullmatch(text) else text
