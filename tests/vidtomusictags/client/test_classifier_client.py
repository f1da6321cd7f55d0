"""The classifier's client."""

from __future__ import annotations

from typing import Any

import pytest

from vidtomusictags import ClassifierClient
from vidtomusictags.classifier.v1 import classifier_pb2
from vidtomusictags.client.caption import Statement
from vidtomusictags.media.v1 import media_pb2
from vidtomusictags.rpc import failures


def test_everything_that_is_asked_for_is_sent(fakes: str, script: Any) -> None:
    with ClassifierClient(fakes) as client:
        found = client.classify(
            "A dog.", taxonomy="moods", include=["a"], exclude=["b"], max_tags=2, min_confidence=0.5
        )
    (request,) = script.requests
    assert (request.summary, request.taxonomy_id) == ("A dog.", "moods")
    assert request.options == classifier_pb2.ClassifyOptions(
        include=["a"], exclude=["b"], max_tags=2, min_confidence=0.5
    )
    assert [tag.id for tag in found.tags] == ["happy", "calm"]
    assert found.usage.elapsed_seconds == 0.25


def test_a_whole_taxonomy_travels_inline(fakes: str, script: Any) -> None:
    with ClassifierClient(fakes) as client:
        client.classify("A dog.", taxonomy=classifier_pb2.Taxonomy(id="mine"))
    assert script.requests[0].inline_taxonomy.id == "mine"


def test_taxonomies_are_listed_and_read(fakes: str) -> None:
    with ClassifierClient(fakes) as client:
        (entry,) = client.taxonomies()
        assert (entry.ref.id, entry.is_default, entry.active_tags) == ("music-moods", True, 2)
        assert [tag.id for tag in client.taxonomy("other").tags] == ["happy", "calm"]


def test_a_failure_raises_what_the_classifier_said(fakes: str, script: Any) -> None:
    script.refuse = failures.UnknownTaxonomy("No taxonomy is called mods. Did you mean moods?", field="taxonomy_id")
    with ClassifierClient(fakes) as client, pytest.raises(failures.UnknownTaxonomy, match="Did you mean") as raised:
        client.classify("A dog.")
    assert raised.value.field == "taxonomy_id"


def test_where_nothing_answers_the_address_is_named(nobody: str) -> None:
    with ClassifierClient(nobody) as client, pytest.raises(failures.UpstreamUnavailable, match="classifier cannot"):
        client.taxonomies()


def test_statements_and_the_wish_for_all_scores_travel_along(fakes: str, script: Any) -> None:
    with ClassifierClient(fakes) as client:
        client.classify("A hug.", statements=[Statement(0, 6, "content", 0.5)], all_scores=True)
    (request,) = script.requests
    assert request.options.all_scores
    assert request.statements[0].kind == media_pb2.STATEMENT_KIND_CONTENT
    assert request.statements[0].certainty == 0.5


def test_what_would_answer_is_asked_without_a_summary(fakes: str, script: Any) -> None:
    with ClassifierClient(fakes) as client:
        client.what_answers("moods")
    assert script.requests == [classifier_pb2.ClassifyRequest(taxonomy_id="moods", validate_only=True)]
