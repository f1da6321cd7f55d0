"""The client of a classifier: a summary in, tags out, for code that waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

import grpc

from vidtomusictags.classifier.v1 import classifier_pb2 as pb
from vidtomusictags.classifier.v1.classifier_pb2_grpc import ClassifierServiceStub
from vidtomusictags.client.calls import failure_of, open_channel
from vidtomusictags.client.caption import Statement
from vidtomusictags.client.classification import Classification, TaxonomyRef, to_classification, to_taxonomy_ref
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc.credentials import Credentials

T = TypeVar("T")


@dataclass(frozen=True)
class TaxonomyEntry:
    """A taxonomy that is served, without its tags."""

    ref: TaxonomyRef
    title: str
    description: str
    language: str
    active_tags: int
    facets: tuple[str, ...]
    is_default: bool


class ClassifierClient:
    """Tags summaries through a classifier. A context manager; `close` does the same.

    target: the classifier's address. timeout_seconds: longest that one call may take.
    credentials: what the classifier is shown and known by; left out, plaintext and nothing. Raises OSError or
    CredentialsUnusable for files that cannot be used, and where a token would be shown to the network.
    """

    def __init__(
        self,
        target: str = "127.0.0.1:50052",
        *,
        timeout_seconds: float = 60.0,
        credentials: Credentials | None = None,
    ) -> None:
        self._target = target
        self._timeout_seconds = timeout_seconds
        self._channel = open_channel(target, credentials)
        self._stub = ClassifierServiceStub(self._channel)

    def classify(
        self,
        summary: str,
        *,
        taxonomy: str | pb.Taxonomy | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        max_tags: int = 0,
        min_confidence: float | None = None,
        statements: Sequence[Statement] = (),
        all_scores: bool = False,
        request_id: str = "",
    ) -> Classification:
        """The tags of a summary of 1 to 20,000 characters. Raises Failure.

        taxonomy: `id`, `id@version` or a whole Taxonomy message; left out, the service's default. include, exclude:
        ids of tags or facets. max_tags: 0 for 10. min_confidence: left out, each tag's own threshold. statements: what
        spans of the summary speak of, as a `Caption` tells them. all_scores: fills `Classification.scores`.
        """
        options = pb.ClassifyOptions(
            include=include, exclude=exclude, max_tags=max_tags, min_confidence=min_confidence, all_scores=all_scores
        )
        request = pb.ClassifyRequest(
            request_id=request_id, summary=summary, options=options, statements=map(_statement_message, statements)
        )
        _name_taxonomy(request, taxonomy)
        response = self._told(lambda: self._stub.Classify(request, timeout=self._timeout_seconds))
        return to_classification(response.classification)

    def what_answers(self, taxonomy: str | pb.Taxonomy | None = None) -> Classification:
        """Which taxonomy, engine and model would answer; nothing is tagged. Raises Failure."""
        request = pb.ClassifyRequest(validate_only=True)
        _name_taxonomy(request, taxonomy)
        response = self._told(lambda: self._stub.Classify(request, timeout=self._timeout_seconds))
        return to_classification(response.classification)

    def taxonomies(self) -> list[TaxonomyEntry]:
        """What is served, every version, by id and then newest first. Raises Failure."""
        request = pb.ListTaxonomiesRequest()
        response = self._told(lambda: self._stub.ListTaxonomies(request, timeout=self._timeout_seconds))
        return [_entry(message) for message in response.taxonomies]

    def taxonomy(self, taxonomy_id: str = "") -> pb.Taxonomy:
        """One taxonomy with all its tags, by `id` or `id@version`; the default one without. Raises Failure."""
        request = pb.GetTaxonomyRequest(taxonomy_id=taxonomy_id)
        return self._told(lambda: self._stub.GetTaxonomy(request, timeout=self._timeout_seconds)).taxonomy

    def close(self) -> None:
        """Ends every call and lets the connection go."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _told(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except grpc.RpcError as error:
            raise failure_of(
                error, service="classifier", target=self._target, timeout_seconds=self._timeout_seconds
            ) from None


def _name_taxonomy(request: pb.ClassifyRequest, taxonomy: str | pb.Taxonomy | None) -> None:
    if isinstance(taxonomy, str):
        request.taxonomy_id = taxonomy
    elif taxonomy is not None:
        request.inline_taxonomy.CopyFrom(taxonomy)


def _statement_message(statement: Statement) -> media_pb2.Statement:
    kinds = media_pb2.StatementKind
    name = f"STATEMENT_KIND_{statement.kind.upper()}"
    kind = kinds.Value(name) if name in kinds.keys() else media_pb2.STATEMENT_KIND_UNSPECIFIED  # noqa: SIM118
    return media_pb2.Statement(start=statement.start, end=statement.end, kind=kind, certainty=statement.certainty)


def _entry(message: pb.TaxonomySummary) -> TaxonomyEntry:
    return TaxonomyEntry(
        ref=to_taxonomy_ref(message.ref),
        title=message.title,
        description=message.description,
        language=message.language,
        active_tags=message.active_tags,
        facets=tuple(message.facets),
        is_default=message.is_default,
    )
