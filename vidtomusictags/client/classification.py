"""Tags as their caller sees them: what fits, how sure that is, and which words of the summary say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vidtomusictags.classifier.v1 import classifier_pb2 as pb
from vidtomusictags.client.plain import share
from vidtomusictags.rpc.durations import to_seconds


@dataclass(frozen=True)
class Evidence:
    """A verbatim span of the summary: quote == summary[start:end], in characters."""

    start: int
    end: int
    quote: str


@dataclass(frozen=True)
class Tag:
    """A tag that fits. confidence: 0 to 1, calibrated where a calibration is present; raw_confidence: before that.

    facet is empty in a flat taxonomy; external holds the tag's codes in other systems.
    """

    id: str
    label: str
    facet: str
    confidence: float
    raw_confidence: float
    evidence: tuple[Evidence, ...]
    external: Mapping[str, str]


@dataclass(frozen=True)
class TagScore:
    """How well a tag fits, returned or not. Both are 0 to 1, as those of `Tag`."""

    id: str
    confidence: float
    raw_confidence: float


@dataclass(frozen=True)
class TaxonomyRef:
    """Which version of which vocabulary; equal content has an equal digest."""

    id: str
    version: str
    digest: str


@dataclass(frozen=True)
class Shortlist:
    """Tags that a model was asked about, in place of all that may be returned. by: what chose them."""

    tags: int
    out_of: int
    by: str


@dataclass(frozen=True)
class PassedOver:
    """An engine that should have answered and could not, and why."""

    engine: str
    model: str
    reason: str


@dataclass(frozen=True)
class ClassificationProvenance:
    """What answered. prompt: `name@version`, empty where there is none; calibration: its id, or empty.

    capabilities: what of the model's optional abilities was in use. shortlist: None where the model was asked about all
    tags. passed_over: engines that were tried before.
    """

    engine: str
    model: str
    revision: str
    prompt: str
    calibration: str = ""
    capabilities: tuple[str, ...] = ()
    shortlist: Shortlist | None = None
    passed_over: tuple[PassedOver, ...] = ()


@dataclass(frozen=True)
class ClassificationUsage:
    """What the answer cost, all attempts together. estimated_usd: by the prices of `prices_of`; None: unknown."""

    attempts: int
    prompt_tokens: int
    cached_prompt_tokens: int
    completion_tokens: int
    elapsed_seconds: float
    estimated_usd: float | None = None
    prices_of: str = ""


@dataclass(frozen=True)
class FacetAnswer:
    """What became of a facet ("" for tags without one). outcome: "tagged", "no_suitable_tag" or "left_out"."""

    facet: str
    outcome: str


@dataclass(frozen=True)
class Classification:
    """Tags by falling confidence; none means that no tag is supported well enough.

    scores: every tag that the engine has scored, where the caller asked for them. facets: in the taxonomy's order.
    """

    tags: tuple[Tag, ...]
    key_information: tuple[str, ...]
    reasoning: str
    taxonomy: TaxonomyRef
    provenance: ClassificationProvenance
    usage: ClassificationUsage
    warnings: tuple[str, ...]
    scores: tuple[TagScore, ...] = ()
    facets: tuple[FacetAnswer, ...] = ()


def to_classification(message: pb.Classification) -> Classification:
    """The classification in a message."""
    made, usage = message.provenance, message.usage
    return Classification(
        tags=tuple(_tag(tag) for tag in message.tags),
        key_information=tuple(message.key_information),
        reasoning=message.reasoning,
        taxonomy=to_taxonomy_ref(message.taxonomy),
        provenance=_provenance(made),
        usage=ClassificationUsage(
            attempts=usage.attempts,
            prompt_tokens=usage.prompt_tokens,
            cached_prompt_tokens=usage.cached_prompt_tokens,
            completion_tokens=usage.completion_tokens,
            elapsed_seconds=to_seconds(usage.elapsed),
            estimated_usd=usage.estimated_cost.usd if usage.HasField("estimated_cost") else None,
            prices_of=usage.estimated_cost.prices_of,
        ),
        warnings=tuple(message.warnings),
        scores=tuple(TagScore(s.id, share(s.confidence), share(s.raw_confidence)) for s in message.scores),
        facets=tuple(FacetAnswer(one.facet, _outcome(one.outcome)) for one in message.facets),
    )


def _provenance(made: pb.ClassificationProvenance) -> ClassificationProvenance:
    shortlist = made.shortlist
    return ClassificationProvenance(
        engine=made.engine,
        model=made.model,
        revision=made.revision,
        prompt=made.prompt,
        calibration=made.calibration,
        capabilities=tuple(made.capabilities),
        shortlist=Shortlist(shortlist.tags, shortlist.out_of, shortlist.by) if made.HasField("shortlist") else None,
        passed_over=tuple(PassedOver(one.engine, one.model, one.reason) for one in made.passed_over),
    )


def _outcome(outcome: pb.FacetOutcome.ValueType) -> str:
    return pb.FacetOutcome.Name(outcome).removeprefix("FACET_OUTCOME_").lower()


def to_taxonomy_ref(message: pb.TaxonomyRef) -> TaxonomyRef:
    """The reference in a message."""
    return TaxonomyRef(message.id, message.version, message.digest)


def _tag(message: pb.ScoredTag) -> Tag:
    return Tag(
        id=message.id,
        label=message.label,
        facet=message.facet,
        confidence=share(message.confidence),
        raw_confidence=share(message.raw_confidence),
        evidence=tuple(Evidence(e.start, e.end, e.quote) for e in message.evidence),
        external=dict(message.external),
    )
