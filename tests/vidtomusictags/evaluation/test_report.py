"""The report: everything in one file, nothing from elsewhere, escaped, and the same every time."""

from __future__ import annotations

import html.parser
import re
from pathlib import Path

import pytest
from scripted_evaluation import evaluation, rows

from vidtomusictags.evaluation.evaluation import Evaluation
from vidtomusictags.evaluation.report.worst_clips import worst_clips
from vidtomusictags.evaluation.report.writing import write_report

ODD = '<script>alert("x")</script>'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    folder = tmp_path_factory.mktemp("made")
    (folder / "film.mp4").write_bytes(b"film")
    odd = [
        {"id": ODD, "summary": f"{ODD} 3", "source": ODD, "expected": ["happy", ODD]},
        {"id": "film", "clip": "film.mp4", "expected": ["calm"]},
        {"id": "failing", "summary": "please refuse", "expected": ["sad"]},
    ]
    return evaluation([*rows(12), *odd], folder, runs=("base", "worse"))


@pytest.fixture(scope="module")
def page(made: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(made, tmp_path_factory.mktemp("report")).read_text(encoding="utf-8")


class Links(html.parser.HTMLParser):
    """What a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href", "action")]


def test_nothing_is_fetched_and_nothing_runs(page: str) -> None:
    links = Links()
    links.feed(page)
    assert links.found
    assert all(link.startswith(("#", "data:")) for link in links.found)
    assert not {"script", "link", "iframe", "object"} & set(links.tags)
    assert not re.findall(r"url\((?!#)", page)
    assert "@import" not in page


def test_what_comes_from_a_data_set_or_a_model_is_escaped(page: str) -> None:
    assert ODD not in page
    assert "&lt;script&gt;alert(" in page


def test_failures_are_told_at_the_top(page: str) -> None:
    told = page.index("1 of 15 clips failed")
    assert "This evaluation has failures" in page
    assert told < page.index('id="runs"')
    assert "name tags outside moods@1.0.0" in page


def test_every_part_of_the_report_is_there(page: str) -> None:
    for part in ("runs", "comparisons", "tags", "curves", "confusion", "cost", "worst", "faults", "made"):
        assert f'id="{part}"' in page, part
    assert page.count("<svg") == 5
    assert "data:image/jpeg;base64,aGVsbG8=" in page


def test_ids_of_pictures_are_told_apart(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_same_evaluation_gives_the_same_bytes(made: Evaluation, page: str, tmp_path: Path) -> None:
    again = write_report(made, tmp_path)
    assert again.read_text(encoding="utf-8") == page
    pictures = sorted((tmp_path / "pictures").glob("*.png"))
    assert sorted(one.stem for one in pictures) == [
        "cost-quality",
        "precision-recall",
        "reliability",
        "reliability-returned",
        "risk-coverage",
    ]
    assert all(one.read_bytes().startswith(b"\x89PNG") for one in pictures)


def test_the_worst_clips_are_those_that_failed_then_the_least_alike(made: Evaluation) -> None:
    clips = worst_clips(made.runs[0], 12)
    assert clips[0].id == "failing"
    assert "refused" in clips[0].failure
    assert [clip.similarity for clip in clips[1:]] == sorted(clip.similarity for clip in clips[1:])
    assert all(clip.similarity < 1 for clip in clips)


def test_evidence_is_marked_where_it_stands(made: Evaluation) -> None:
    marked = [clip for clip in worst_clips(made.runs[1], 12) if clip.pieces and clip.returned]
    assert marked
    for clip in marked:
        assert clip.pieces[0].tags == ["sad"]
        assert len(clip.pieces[0].text) == 6


def test_a_run_without_any_answer_has_a_report(tmp_path: Path) -> None:
    nothing = evaluation([{"id": "1", "summary": "refuse", "expected": []}], tmp_path, runs=("base",))
    page = write_report(nothing, tmp_path / "out").read_text(encoding="utf-8")
    assert "1 of 1 clips failed" in page
