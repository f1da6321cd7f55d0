"""The form of a model's answer, built from the tags at run time: its strict JSON schema, and the reader of it."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, field_validator
from pydantic_core import CoreSchema, from_json

NAME = "VideoTags"
MOST_ANSWER_CHARACTERS = 200_000
_CAPACITY = 64

Schema = dict[str, Any]


class DraftTag(BaseModel):
    """A tag as a model gave it, not judged yet."""

    model_config = ConfigDict(frozen=True)

    tag: str
    confidence: float
    evidence: tuple[str, ...] = ()

    @field_validator("evidence", mode="before")
    @classmethod
    def _one_quote_is_a_list_too(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


class DraftSegment(BaseModel):
    """What a model says of one segment. segment: its number, from 1."""

    model_config = ConfigDict(frozen=True)

    segment: int
    reasoning: str = ""
    tags: tuple[DraftTag, ...] = ()


class Draft(BaseModel):
    """An answer as a model gave it, not judged yet.

    It is read leniently on purpose: what is wrong with tags, numbers and quotes is judged in one place, `judging`,
    which can say it in words and keep the rest. Only what is no such object at all fails here. The schema that the
    provider is sent is strict.
    """

    model_config = ConfigDict(frozen=True)

    key_information: tuple[str, ...] = ()
    reasoning: str = ""
    tags: tuple[DraftTag, ...] = Field()
    no_suitable_tag: tuple[str, ...] = ()
    segments: tuple[DraftSegment, ...] = ()

    wire_schema: ClassVar[Schema] = {}

    @field_validator("key_information", "no_suitable_tag", mode="before")
    @classmethod
    def _one_text_is_a_list_too(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        # For the tools of other providers, whose handlers in Instructor ask for a title.
        return {"title": NAME, **cls.wire_schema} if cls.wire_schema else handler(core_schema)

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **_: Any) -> Draft:
        """Reads the last JSON object of a text: models without a strict schema write prose or a fence around it.

        Raises pydantic.ValidationError.
        """
        text = json_data if isinstance(json_data, str) else json_data.decode(errors="replace")
        return cls.model_validate(_last_object(text))


class AnswerForms:
    """The forms of answers that were used last: building one for hundreds of tags takes milliseconds."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, tuple[str, ...], bool], type[Draft]] = OrderedDict()

    def form(self, digest: str, tags: Sequence[str], facets: Sequence[str], *, segments: bool = False) -> type[Draft]:
        """The reader for these tags of the taxonomy of that digest; it carries the schema that goes out."""
        key = (digest, tuple(tags), segments)
        kept = self._kept.pop(key, None) or type(
            NAME, (Draft,), {"wire_schema": schema_for(tags, facets, segments=segments)}
        )
        self._kept[key] = kept
        while len(self._kept) > _CAPACITY:
            self._kept.popitem(last=False)
        return kept


def schema_for(tags: Sequence[str], facets: Sequence[str], *, segments: bool = False) -> Schema:
    """Within what strict modes of providers have in common: all fields required, none more, no bounds of numbers.

    segments: with a list of what fits each segment.
    """
    text: Schema = {"type": "string"}
    texts: Schema = {"type": "array", "items": text}
    tag = _closed(tag={"type": "string", "enum": list(tags)}, confidence={"type": "number"}, evidence=texts)
    unfit: Schema = {"type": "array", "items": {"type": "string", "enum": list(facets) or ["tags"]}}
    found: Schema = {"type": "array", "items": tag}
    one = _closed(segment={"type": "integer"}, reasoning=text, tags=found)
    each: dict[str, Schema] = {"segments": {"type": "array", "items": one}} if segments else {}
    return _closed(key_information=texts, reasoning=text, tags=found, no_suitable_tag=unfit, **each)


def _closed(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _last_object(text: str) -> object:
    """The last object at the top level of a text; the text itself, to be told what is wrong with it, if there is none.

    The last, because what a model repeats from its input comes before what it answers. The work is bounded: each `{`
    from which nothing can be read costs one attempt, of which there are a few.
    """
    text = text[:MOST_ANSWER_CHARACTERS]
    try:
        return from_json(text, allow_inf_nan=True)
    except ValueError:
        pass
    decoder = json.JSONDecoder()
    found: object = None
    position, failures = text.find("{"), 0
    while position >= 0 and failures < 20:
        try:
            found, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            failures, end = failures + 1, position + 1
        position = text.find("{", end)
    return text[:200] if found is None else found
