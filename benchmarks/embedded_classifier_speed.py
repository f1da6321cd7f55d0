"""Prints how many classifications a second the embedded engine makes on one core.

    python benchmarks/embedded_classifier_speed.py [LABELLED.jsonl] [--taxonomy TAXONOMY.yaml]

Measured with the eight tags of `music-moods` unless told otherwise, after a warm-up, one question at a time. The first
figure is of the engine's own thread alone, the second through `classify` from an event loop on the same core.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from classifier_service.engines.embedded import EmbeddedEngine
from classifier_service.engines.engine import Question
from classifier_service.taxonomy_file import read_taxonomy

MUSIC_MOODS = Path(__file__).parent.parent / "classifier_service/taxonomies/music-moods.yaml"
SUMMARIES = (
    "The video shows a group of children racing through a park with a kite. They cheer when it climbs into the sky.",
    "A lighthouse stands above a stormy sea. Waves break over the rocks and gulls circle in the wind.",
    "Two colleagues go through a printed report at a desk, and one of them marks a line with a yellow pen.",
    "An old woman looks through a box of letters, folds one of them and quietly wipes her eyes.",
)
ROUNDS = 5
QUESTIONS = 200


def main() -> None:
    """Pins the process to one core and prints both figures, each the median of some rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "labelled", type=Path, nargs="?", help='lines of {"summary": text}; a few of our own without it'
    )
    parser.add_argument("--taxonomy", type=Path, default=MUSIC_MOODS)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    summaries = SUMMARIES
    if arguments.labelled:
        lines = arguments.labelled.read_text(encoding="utf-8").splitlines()
        summaries = tuple(json.loads(line)["summary"] for line in lines if line.strip())
    taxonomy = read_taxonomy(arguments.taxonomy.read_bytes(), name=arguments.taxonomy.name)
    allowed = frozenset(tag.id for tag in taxonomy.active)
    questions = [Question(summaries[i % len(summaries)], taxonomy, allowed, max_tags=10) for i in range(QUESTIONS)]
    asyncio.run(measure(questions))


async def measure(questions: Sequence[Question]) -> None:
    """Prints the rates, per second of wall-clock and of processor time."""
    engine = EmbeddedEngine()
    started = time.perf_counter()
    tokens = [(await engine.classify(question)).usage.prompt_tokens for question in questions]
    print(f"{len(questions[0].taxonomy.active)} tags, {statistics.mean(tokens):.0f} tokens a summary on average")
    print(f"first {len(questions)} with the taxonomy encoded: {time.perf_counter() - started:.1f} s")

    answer, prototypes = engine.answer, engine.prototypes(questions[0].taxonomy)
    alone = [timed_round(lambda: [answer(question, prototypes) for question in questions]) for _ in range(ROUNDS)]
    report("engine alone", len(questions), alone)
    looped = []
    for _ in range(ROUNDS):
        wall, processor = time.perf_counter(), time.process_time()
        for question in questions:
            await engine.classify(question)
        looped.append((time.perf_counter() - wall, time.process_time() - processor))
    report("through classify", len(questions), looped)
    await engine.close()


def timed_round(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of wall-clock and of processor time that calling `work` takes."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def report(what: str, count: int, rounds: Sequence[tuple[float, float]]) -> None:
    """One line: the medians as rates."""
    wall = count / statistics.median(seconds for seconds, _ in rounds)
    processor = count / statistics.median(seconds for _, seconds in rounds)
    print(f"{what}: {wall:.0f} a second, {processor:.0f} a second of processor time")


if __name__ == "__main__":
    main()
