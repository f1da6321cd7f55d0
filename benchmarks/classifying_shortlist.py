"""Prints how many of the right tags are on the shortlist that a language model is given of a large taxonomy.

    python benchmarks/classifying_shortlist.py LABELLED.jsonl [--taxonomy TAXONOMY.yaml] [--tags 1000]

LABELLED holds lines of {"summary": text, "expected": [labels]}. The taxonomy's tags are hidden, one facet of many,
among made-up ones such as "Fishing at a harbour", up to the number that is asked for. Recall at k is the share of the
expected tags that are among the k of the shortlist; "none" is what a list of k tags chosen blindly would hold.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path

from classifier_service.engines.embedded import EmbeddedEngine
from classifier_service.engines.engine import Question
from classifier_service.taxonomy import Facet, Tag, Taxonomy
from classifier_service.taxonomy_file import read_taxonomy

MUSIC_MOODS = Path(__file__).parent.parent / "classifier_service/taxonomies/music-moods.yaml"
SIZES = (10, 25, 50, 100, 150, 250)
ACTS = (
    "Fishing", "Sailing", "Cooking", "Painting", "Dancing", "Reading", "Climbing", "Running", "Cycling", "Swimming",
    "Singing", "Farming", "Building", "Welding", "Sewing", "Shopping", "Driving", "Flying", "Hunting", "Camping",
    "Gardening", "Baking", "Skiing", "Surfing", "Wrestling", "Boxing", "Praying", "Marching", "Studying",
    "Teaching", "Nursing", "Repairing", "Filming", "Juggling", "Riding", "Rowing", "Skating", "Sleeping", "Waiting",
    "Arguing", "Hugging", "Hiding", "Chasing", "Packing", "Cleaning", "Washing", "Typing", "Drawing", "Knitting",
    "Mining",
)  # fmt: skip
PLACES = (
    "harbour", "kitchen", "forest", "desert", "school", "hospital", "factory", "stadium", "beach", "mountain",
    "river", "bridge", "market", "church", "castle", "museum", "library", "office", "garage", "garden", "farm",
    "barn", "street", "subway", "airport", "station", "hotel", "bar", "theatre", "studio", "laboratory", "court",
    "prison", "playground", "rooftop", "basement", "cave", "canyon", "meadow", "swamp", "glacier", "island",
    "lighthouse", "tunnel", "warehouse", "shipyard", "quarry", "vineyard", "orchard", "lake", "waterfall",
    "village", "suburb", "skyscraper", "alley", "square", "park", "zoo", "aquarium", "circus", "casino", "spa",
    "gym", "pool", "arena", "track", "ring", "temple", "mosque", "graveyard", "battlefield", "trench", "bunker",
    "submarine", "spaceship", "spacewalk", "moon", "volcano", "jungle", "savannah", "steppe", "tundra", "reef",
    "atoll", "fjord", "dune", "oasis",
)  # fmt: skip


def main() -> None:
    """Reads the arguments and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labelled", type=Path)
    parser.add_argument("--taxonomy", type=Path, default=MUSIC_MOODS)
    parser.add_argument("--tags", type=int, default=1000)
    arguments = parser.parse_args()
    known = read_taxonomy(arguments.taxonomy.read_bytes(), name=str(arguments.taxonomy))
    by_label = {tag.label.casefold(): tag.id for tag in known.active}
    cases = []
    for line in arguments.labelled.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        expected = {by_label[label.casefold()] for label in entry["expected"] if label.casefold() in by_label}
        if expected:
            cases.append((entry["summary"], expected))
    asyncio.run(_measure(hidden(known, arguments.tags), cases))


def hidden(known: Taxonomy, tags: int) -> Taxonomy:
    """The known tags among made-up ones, `tags` in all, in ten facets beside their own."""
    made_up = [
        Tag(f"made-up/{position}", f"{act} at a {place}", f"facet-{position % 10}")
        for position, (place, act) in enumerate(itertools.product(PLACES, ACTS))
    ]
    fillers = made_up[:: max(1, len(made_up) // max(1, tags))][: max(0, tags - len(known.active))]
    facets = (*known.facets, *(Facet(f"facet-{number}") for number in range(10)))
    return Taxonomy("hidden", "1.0.0", tags=(*known.active, *fillers), facets=facets)


async def _measure(taxonomy: Taxonomy, cases: Sequence[tuple[str, set[str]]]) -> None:
    engine = EmbeddedEngine()
    allowed = frozenset(tag.id for tag in taxonomy.active)
    started = time.perf_counter()
    await engine.shortlist(Question("Warm up.", taxonomy, allowed, 10), 10)
    print(f"{len(taxonomy.active)} tags, {len(cases)} cases; {engine.name}")
    print(f"first shortlist, the tags' vectors made: {time.perf_counter() - started:.1f} s")
    expected = sum(len(wanted) for _, wanted in cases)
    print(f"{'k':>5} {'recall':>7} {'none':>7} {'ms':>7}")
    for size in SIZES:
        started = time.perf_counter()
        listed = [await engine.shortlist(Question(summary, taxonomy, allowed, 10), size) for summary, _ in cases]
        milliseconds = (time.perf_counter() - started) * 1000 / len(cases)
        found = sum(len(wanted.intersection(ids)) for ids, (_, wanted) in zip(listed, cases, strict=True))
        print(f"{size:>5} {found / expected:>7.3f} {size / len(allowed):>7.3f} {milliseconds:>7.1f}")
    await engine.close()


if __name__ == "__main__":
    main()
