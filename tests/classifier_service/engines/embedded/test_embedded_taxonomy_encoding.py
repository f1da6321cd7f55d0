"""Taxonomies are encoded once for all that wait, and for nobody not at all."""

from __future__ import annotations

import asyncio
import threading

import pytest

from classifier_service.engines.embedded.encoder import Encoder, Vectors
from classifier_service.engines.embedded.scenes import Scenes
from classifier_service.engines.embedded.taxonomy_encoding import TaxonomyEncoding
from classifier_service.taxonomy import Tag, Taxonomy

SECONDS = 10


class GatedEncoder(Encoder):
    """The real encoder, which says when it has begun, waits for leave, and counts texts."""

    def __init__(self, real: Encoder) -> None:
        self._real = real
        self.begun, self.leave = threading.Event(), threading.Event()
        self.texts = 0

    def encode(self, texts: list[str]) -> Vectors:  # type: ignore[override]
        self.texts += len(texts)
        self.begun.set()
        assert self.leave.wait(SECONDS)
        return self._real.encode(texts)


@pytest.fixture(name="gated")
def _gated(encoder: Encoder) -> GatedEncoder:
    return GatedEncoder(encoder)


def taxonomy(tags: int, id: str = "many") -> Taxonomy:
    return Taxonomy(id=id, version="1.0.0", tags=tuple(Tag(id=f"t{n}", label=f"Tag {n}") for n in range(tags)))


async def begun(gated: GatedEncoder) -> None:
    assert await asyncio.to_thread(gated.begun.wait, SECONDS)


async def test_what_nobody_waits_for_stops_within_a_tag(gated: GatedEncoder, scenes: Scenes) -> None:
    encoding = TaxonomyEncoding(gated, scenes)
    caller = asyncio.create_task(encoding.prototypes(taxonomy(1000)))
    await begun(gated)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    gated.leave.set()
    encoding.close()  # waits for the thread, which would go on for seconds
    assert gated.texts < 10


async def test_closing_stops_what_somebody_still_waits_for(gated: GatedEncoder, scenes: Scenes) -> None:
    encoding = TaxonomyEncoding(gated, scenes)
    caller = asyncio.create_task(encoding.prototypes(taxonomy(1000)))
    await begun(gated)
    gated.leave.set()
    await asyncio.to_thread(encoding.close)
    assert gated.texts < 1000
    await asyncio.gather(caller, return_exceptions=True)


async def test_two_callers_share_one_encoding_and_one_of_them_may_leave(gated: GatedEncoder, scenes: Scenes) -> None:
    encoding = TaxonomyEncoding(gated, scenes)
    first, second = (asyncio.create_task(encoding.prototypes(taxonomy(3))) for _ in range(2))
    await begun(gated)
    first.cancel()
    gated.leave.set()
    assert len((await second).of_tags) == 3
    texts = gated.texts
    await encoding.prototypes(taxonomy(3))
    assert gated.texts == texts
    encoding.close()


async def test_an_abandoned_taxonomy_is_encoded_when_it_is_asked_for_again(gated: GatedEncoder, scenes: Scenes) -> None:
    encoding = TaxonomyEncoding(gated, scenes)
    caller = asyncio.create_task(encoding.prototypes(taxonomy(50)))
    await begun(gated)
    caller.cancel()
    gated.leave.set()
    assert len((await encoding.prototypes(taxonomy(50))).of_tags) == 50
    encoding.close()
