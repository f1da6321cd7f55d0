"""The shape of a taxonomy file: which keys there are and what type each holds; what values mean is judged elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, ValidationError
from pydantic import Tag as Case

from classifier_service.taxonomy import Facet, Role, Select, Status, Tag, Taxonomy
from classifier_service.taxonomy_faults import Fault, Place, field_name, quoted
from classifier_service.taxonomy_yaml import Document


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Code = Annotated[str, BeforeValidator(_number_as_text)]
"""Text that often looks like a number: a version 1.0, a catalogue number 10417."""

_TEXT, _MAP = "text", "map"
Label = Annotated[
    Annotated[str, Case(_TEXT)] | Annotated[dict[str, str], Case(_MAP)],
    Discriminator(lambda value: _MAP if isinstance(value, dict) else _TEXT),
]
_NAMED = Field(strict=False)  # an enum is written by its value
_ABSENT: Any = None  # what a key left out gives; a key written without a value is a fault


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", str_strip_whitespace=True)


class CuesForm(_Form):
    for_: list[str] = Field([], alias="for")
    against: list[str] = []


class FacetForm(_Form):
    id: str
    label: str = ""
    description: str = ""
    select: Annotated[Select, _NAMED] = Select.MANY
    max: int = _ABSENT
    required: bool = False


class TagForm(_Form):
    id: str
    label: Label
    facet: str = ""
    description: str = ""
    synonyms: list[str] = []
    examples: list[str] = []
    cues: CuesForm = Field(default_factory=lambda: CuesForm.model_validate({}))
    parent: str = ""
    excludes: list[str] = []
    role: Annotated[Role, _NAMED] = Role.DESCRIBES
    threshold: float = _ABSENT
    external: dict[str, Code] = {}
    status: Annotated[Status, _NAMED] = Status.ACTIVE
    replaced_by: str = ""


class TaxonomyForm(_Form):
    id: str
    version: Code
    tags: list[TagForm]
    facets: list[FacetForm] = []
    language: str = "en"
    title: str = ""
    description: str = ""


def shape(data: object) -> TaxonomyForm:
    """Raises pydantic's ValidationError, which `shape_faults` puts into words."""
    return TaxonomyForm.model_validate(data)


def to_taxonomy(form: TaxonomyForm) -> Taxonomy:
    """The same content as plain values; the label in the taxonomy's language becomes `Tag.label`."""
    return Taxonomy(
        id=form.id,
        version=form.version,
        tags=tuple(_to_tag(tag, form.language) for tag in form.tags),
        facets=tuple(Facet(**dict(facet)) for facet in form.facets),
        language=form.language,
        title=form.title,
        description=form.description,
    )


def _to_tag(form: TagForm, language: str) -> Tag:
    labels = {language: form.label} if isinstance(form.label, str) else dict(form.label)
    return Tag(
        id=form.id,
        label=labels.pop(language, ""),
        facet=form.facet,
        labels=labels,
        description=form.description,
        synonyms=tuple(form.synonyms),
        examples=tuple(form.examples),
        cues_for=tuple(form.cues.for_),
        cues_against=tuple(form.cues.against),
        parent=form.parent,
        excludes=tuple(form.excludes),
        role=form.role,
        threshold=form.threshold,
        external=dict(form.external),
        status=form.status,
        replaced_by=form.replaced_by,
    )


def shape_faults(error: ValidationError, document: Document) -> Iterator[Fault]:
    """pydantic's findings in the words of the format, with the places of the values in the file."""
    for finding in error.errors(include_url=False):
        place = _place(finding["loc"])
        problem, unknown, choices = _problem(place, finding)
        yield Fault(place, problem, owner=document.owner_of(place), unknown=unknown, choices=choices)


def _place(loc: tuple[int | str, ...]) -> Place:
    """pydantic's location without the case of the label's union, which stands after `label`."""
    return (*loc[:3], *loc[4:]) if loc[:1] == ("tags",) and loc[2:3] == ("label",) else loc


_WANTED = {
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a map of keys",
    "model_type": "a map of keys",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
}


def _problem(place: Place, finding: Any) -> tuple[str, str, tuple[str, ...]]:
    """What is wrong, and for a misspelt word: the word and those that exist."""
    kind, value = finding["type"], finding["input"]
    name = field_name(place) or ("it" if place else "the file")
    if kind == "missing":
        return f"{name} is missing", "", ()
    if kind == "extra_forbidden":
        return f"unknown key {name}", str(place[-1]), _keys_beside(place)
    if value is None:
        return f"{name} has no value; fill it in or leave the key out", "", ()
    if kind == "enum":
        choices = tuple(word.strip("'") for word in finding["ctx"]["expected"].replace(" or ", ", ").split(", "))
        problem = f"{name} must be {' or '.join(choices)}, not {_shown(value)}"
        return problem, value if isinstance(value, str) else "", choices
    wanted = _WANTED.get(kind)
    if wanted is None:
        return f"{name}: {finding['msg']}", "", ()
    return f"{name} must be {wanted}, not {_shown(value)}{_remedy(kind, value)}", "", ()


def _remedy(kind: str, value: object) -> str:
    if kind == "string_type":
        if isinstance(value, dict):  # what an unquoted `Rex: a dog` makes
            return "; put text that holds a colon and a space in quotes"
        return "; put it in quotes" if isinstance(value, bool | int | float) else ""
    return "; write it as [one, two] or on lines that begin with -" if kind == "list_type" else ""


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    return quoted(value) if isinstance(value, str) else "a list" if isinstance(value, list) else "a map of keys"


def _keys_beside(place: Place) -> tuple[str, ...]:
    form: type[_Form] = TaxonomyForm
    if place[0] == "tags" and len(place) > 2:
        form = CuesForm if place[2] == "cues" and len(place) > 3 else TagForm
    elif place[0] == "facets" and len(place) > 2:
        form = FacetForm
    return tuple(field.alias or name for name, field in form.model_fields.items())
