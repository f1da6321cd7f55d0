"""Messages of the classifier's contract and the classifier's values, each turned into the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from classifier_service.classifier import DEFAULT_MAX_TAGS, Classified, Wanted
from classifier_service.engines.engine import EngineCard, ScoredTag, Shortlist, Span, Statement, Usage
from classifier_service.facets import Outcome
from classifier_service.summaries import Segment
from classifier_service.taxonomy import Taxonomy
from vidtomusictags.classifier.v1 import classifier_pb2 as pb
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.durations import to_duration, to_seconds

_KINDS = {
    media_pb2.STATEMENT_KIND_CONTENT: "content",
    media_pb2.STATEMENT_KIND_SETTING: "setting",
    media_pb2.STATEMENT_KIND_LOOK: "look",
    media_pb2.STATEMENT_KIND_MOTION: "motion",
}

_OUTCOMES = {
    Outcome.TAGGED: pb.FACET_OUTCOME_TAGGED,
    Outcome.NO_SUITABLE_TAG: pb.FACET_OUTCOME_NO_SUITABLE_TAG,
    Outcome.LEFT_OUT: pb.FACET_OUTCOME_LEFT_OUT,
}

Place = Callable[[Span], tuple[int, Span]]
"""Tells in which segment a span lies, and where."""


def in_one_text(span: Span) -> tuple[int, Span]:
    """The `Place` of a summary that has no segments."""
    return 0, span


def to_wanted(options: pb.ClassifyOptions) -> Wanted:
    """What may be returned. Raises InvalidRequest, naming the field."""
    return Wanted(
        include=tuple(options.include),
        exclude=tuple(options.exclude),
        max_tags=options.max_tags or DEFAULT_MAX_TAGS,
        min_confidence=options.min_confidence if options.HasField("min_confidence") else None,
        all_scores=options.all_scores,
    )


def to_statements(messages: Iterable[media_pb2.Statement]) -> tuple[Statement, ...]:
    """What spans speak of; a kind unknown here counts as unknown."""
    return tuple(Statement(m.start, m.end, _KINDS.get(m.kind, "unknown"), m.certainty) for m in messages)


def to_segments(messages: Iterable[pb.Segment]) -> list[Segment]:
    """Segments with their times in seconds."""
    return [
        Segment(
            text=message.text,
            start_seconds=to_seconds(message.range.start) if message.range.HasField("start") else None,
            end_seconds=to_seconds(message.range.end) if message.range.HasField("end") else None,
            statements=to_statements(message.statements),
        )
        for message in messages
    ]


def classification_message(classified: Classified, card: EngineCard, place: Place = in_one_text) -> pb.Classification:
    """An answer with how it was made and what it cost. card: of the engine that was asked."""
    answer, taxonomy = classified.answer, classified.taxonomy
    message = provenance_message(taxonomy, answer.made_by or card)
    details = pb.Classification(
        tags=[_scored_tag(tag, taxonomy, place) for tag in answer.tags],
        key_information=list(answer.key_information),
        reasoning=answer.reasoning,
        usage=_usage(answer.usage, classified.seconds),
        warnings=list(answer.warnings),
        scores=[_tag_score(tag) for tag in answer.scores],
        facets=[pb.FacetAnswer(facet=one.facet, outcome=_OUTCOMES[one.outcome]) for one in classified.facets],
        provenance=pb.ClassificationProvenance(
            shortlist=_shortlist(answer.shortlist),
            passed_over=[
                pb.PassedOver(engine=one.engine, model=one.model, reason=one.reason) for one in answer.passed_over
            ],
        ),
    )
    message.MergeFrom(details)
    message.provenance.calibration = answer.calibration
    return message


def provenance_message(taxonomy: Taxonomy, card: EngineCard) -> pb.Classification:
    """Which vocabulary and which engine, without an answer."""
    provenance = pb.ClassificationProvenance(
        engine=card.engine,
        model=card.model,
        revision=card.revision,
        prompt=card.prompt,
        capabilities=list(card.capabilities),
    )
    return pb.Classification(taxonomy=taxonomy_ref(taxonomy), provenance=provenance)


def segment_messages(
    segments: Sequence[pb.Segment], classified: Sequence[Classified], card: EngineCard
) -> list[pb.SegmentClassification]:
    """The answers about segments, with their ranges as the request gave them."""
    return [
        pb.SegmentClassification(
            range=segment.range,
            classification=classification_message(one, card, _in_segment(position)),
        )
        for position, (segment, one) in enumerate(zip(segments, classified, strict=True))
    ]


def _usage(usage: Usage, seconds: float) -> pb.ClassificationUsage:
    cost = usage.cost
    return pb.ClassificationUsage(
        attempts=usage.attempts,
        prompt_tokens=usage.prompt_tokens,
        cached_prompt_tokens=usage.cached_prompt_tokens,
        completion_tokens=usage.completion_tokens,
        elapsed=to_duration(seconds),
        estimated_cost=pb.EstimatedCost(usd=cost.usd, prices_of=cost.prices_of) if cost else None,
    )


def _shortlist(shortlist: Shortlist | None) -> pb.Shortlist | None:
    if shortlist is None:
        return None
    return pb.Shortlist(tags=shortlist.tags, out_of=shortlist.out_of, by=shortlist.by)


def _in_segment(position: int) -> Place:
    return lambda span: (position, span)


def taxonomy_ref(taxonomy: Taxonomy) -> pb.TaxonomyRef:
    """Which version of which vocabulary."""
    return pb.TaxonomyRef(id=taxonomy.id, version=taxonomy.version, digest=taxonomy.digest)


def taxonomy_summary(taxonomy: Taxonomy, *, is_default: bool) -> pb.TaxonomySummary:
    """A taxonomy without its tags."""
    return pb.TaxonomySummary(
        ref=taxonomy_ref(taxonomy),
        title=taxonomy.title,
        description=taxonomy.description,
        language=taxonomy.language,
        active_tags=len(taxonomy.active),
        facets=[facet.id for facet in taxonomy.facets],
        is_default=is_default,
    )


def _tag_score(scored: ScoredTag) -> pb.TagScore:
    return pb.TagScore(id=scored.id, confidence=scored.confidence, raw_confidence=scored.raw_confidence)


def _scored_tag(scored: ScoredTag, taxonomy: Taxonomy, place: Place) -> pb.ScoredTag:
    tag = taxonomy.by_id[scored.id]
    evidence = [place(span) for span in scored.evidence]
    return pb.ScoredTag(
        id=tag.id,
        label=tag.label,
        facet=tag.facet,
        confidence=scored.confidence,
        raw_confidence=scored.raw_confidence,
        evidence=[
            pb.Evidence(start=span.start, end=span.end, quote=span.text, segment_index=segment)
            for segment, span in evidence
        ],
        external=dict(tag.external),
    )
