"""Who answers `vidtags classify`: a classifier service, or one of its engines in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from vidtomusictags.command.credentials import chosen_credentials
from vidtomusictags.command.endings import Mistake
from vidtomusictags.command.extras import needing
from vidtomusictags.command.service_settings import ServiceName, read_settings
from vidtomusictags.command.taxonomy_argument import for_service, is_file, read_file

if TYPE_CHECKING:
    from classifier_service.engines.engine import ClassificationEngine
    from classifier_service.taxonomy import Taxonomy
    from vidtomusictags.client.classification import Classification

Ask = Callable[[str, str | None], "Classification"]
"""Given a summary and a taxonomy (id, id@version, file, or None for the default), the tags. Raises Failure."""


@dataclass(frozen=True)
class Limits:
    """What may be returned. max_tags: 0 for the default; min_confidence: None for each tag's own."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    max_tags: int = 0
    min_confidence: float | None = None


@contextmanager
def asking_service(target: str, limits: Limits, *, timeout_seconds: float) -> Iterator[Ask]:
    """Asks the service at `target`; a taxonomy file is read once and sent along."""
    from vidtomusictags.client.classifier import ClassifierClient  # noqa: PLC0415

    taxonomies = cache(for_service)
    with ClassifierClient(target, timeout_seconds=timeout_seconds, credentials=chosen_credentials()) as client:
        yield lambda summary, taxonomy: client.classify(
            summary,
            taxonomy=taxonomies(taxonomy),
            include=limits.include,
            exclude=limits.exclude,
            max_tags=limits.max_tags,
            min_confidence=limits.min_confidence,
        )


@contextmanager
def asking_engine(name: str, limits: Limits) -> Iterator[Ask]:
    """Asks an engine that is loaded here, as a service would with the settings of this environment.

    Raises Mistake for an unknown engine or missing libraries.
    """
    with needing("classifier"):
        from classifier_service.classifier import DEFAULT_MAX_TAGS, Classifier, Wanted  # noqa: PLC0415
        from classifier_service.taxonomy_store import TaxonomyStore  # noqa: PLC0415
        from classifier_service.translation import classification_message  # noqa: PLC0415
    from vidtomusictags.client.classification import to_classification  # noqa: PLC0415

    settings = read_settings(ServiceName.CLASSIFIER)
    store = TaxonomyStore.load(settings.taxonomy_directories)

    @cache
    def found(argument: str | None) -> Taxonomy:
        return (
            read_file(argument) if argument and is_file(argument) else store.find(argument or settings.default_taxonomy)
        )

    wanted = Wanted(limits.include, limits.exclude, limits.max_tags or DEFAULT_MAX_TAGS, limits.min_confidence)
    with asyncio.Runner() as runner:
        engine = _opened(name, settings)
        try:
            classifier = Classifier(engine)

            def ask(summary: str, taxonomy: str | None) -> Classification:
                classified = runner.run(classifier.classify(summary, found(taxonomy), wanted))
                return to_classification(classification_message(classified, engine.card))

            yield ask
        finally:
            runner.run(engine.close())


def _opened(name: str, settings: Any) -> ClassificationEngine:
    from classifier_service.engines import open_engine  # noqa: PLC0415

    with needing(_EXTRAS.get(name, "classifier")):
        try:
            return open_engine(settings.chosen_engine if name == "auto" else name, settings.engine_options())
        except ValueError as error:
            raise Mistake(str(error)) from error


_EXTRAS = {"embedded": "embedded-classifier", "instructor": "classifier-instructor"}
