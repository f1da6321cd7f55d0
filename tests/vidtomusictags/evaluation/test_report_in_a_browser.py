"""The report as people see it, in a real browser at the width of a desk and of a phone."""

from __future__ import annotations

import io
from pathlib import Path

import chromium
import pytest
from PIL import Image
from scripted_evaluation import evaluation, rows

from vidtomusictags.evaluation.report.writing import write_report

pytestmark = pytest.mark.skipif(bool(chromium.missing()), reason=chromium.missing() or "a browser is here")

DESK, PHONE = (1280, 900), (390, 844)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seen")
    refused = {"id": "failing", "summary": "please refuse", "expected": ["sad"]}
    long = {"id": "x" * 90, "summary": "w" * 400 + " 3", "expected": ["happy"]}
    return write_report(evaluation([*rows(24), refused, long], folder, runs=("base", "worse")), folder / "out")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_report_fits_its_window_and_needs_no_network(report: Path, size: tuple[int, int]) -> None:
    with chromium.browsing(*size) as browser:
        browser.open(report)
        width, needed = browser.run(
            "return [document.documentElement.clientWidth, document.documentElement.scrollWidth]"
        )
        fetched = browser.run("return performance.getEntriesByType('resource').map(one => one.name)")
        complaints = browser.complaints()
        sizes = browser.run(
            "return [...document.querySelectorAll('.curves svg')].map(one => one.getBoundingClientRect())"
            ".map(box => [box.width, box.height])"
        )
        smallest = browser.run(
            "return Math.min(...[...document.querySelectorAll('body *')]"
            ".filter(one => one.firstChild && one.firstChild.nodeType === 3 && one.firstChild.data.trim()"
            " && !one.closest('svg') && one.getClientRects().length)"
            ".map(one => parseFloat(getComputedStyle(one).fontSize)))"
        )
        seen = Image.open(io.BytesIO(browser.screenshot())).convert("RGB")
    assert width == size[0]
    assert needed <= width  # tables and frames scroll in their boxes, the page does not
    assert [name for name in fetched if not name.startswith("data:")] == []
    assert complaints == []
    assert len(sizes) == 5
    assert all(250 <= box[0] <= size[0] and box[1] >= 200 for box in sizes)
    assert smallest >= 10
    assert len(seen.getcolors(maxcolors=1 << 20) or []) > 50  # something was painted


def test_failures_are_the_first_thing_that_is_seen(report: Path) -> None:
    with chromium.browsing(*PHONE) as browser:
        browser.open(report)
        top, colour = browser.run(
            "const box = document.querySelector('#notes');"
            "return [box.getBoundingClientRect().top, getComputedStyle(box).borderLeftColor]"
        )
        text = browser.run("return document.querySelector('#notes').innerText")
    assert top < PHONE[1] / 3
    assert colour == "rgb(179, 38, 30)"
    assert "2 of 26 clips failed" in text or "1 of 26 clips failed" in text


def test_every_link_of_the_contents_leads_to_its_part(report: Path) -> None:
    with chromium.browsing(*DESK) as browser:
        browser.open(report)
        lost = browser.run(
            "return [...document.querySelectorAll('nav a')].map(one => one.getAttribute('href'))"
            ".filter(link => !document.querySelector(link))"
        )
    assert lost == []
