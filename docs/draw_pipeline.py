"""Draws docs/pipeline.svg from a real run, so that the picture shows what the product says and not what we wish.

vidtags try examples/big-buck-bunny.mp4 --json > run.json
vidtags sample examples/big-buck-bunny.mp4 --frames 8 --size 90 --out frames
python docs/draw_pipeline.py run.json frames
"""

from __future__ import annotations

import base64
import io
import json
import sys
import textwrap
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from PIL import Image

PICTURE = Path(__file__).with_name("pipeline.svg")
WIDTH, HEIGHT = 1200, 372
INK, MUTED, LINE, PAPER, CARD = "#1f2933", "#52606d", "#cbd2d9", "#f7f9fb", "#ffffff"
GATEWAY, CAPTIONER, CLASSIFIER = "#2f6f9f", "#b4532a", "#3f7d4e"
SHOWN_FRAMES = 4


def draw(run: dict[str, Any], frames: list[Path]) -> str:
    """The picture as SVG: four of the frames, the three services, the summary and the tags."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-size="15"'
        ' font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">',
        "<title>A clip becomes frames, frames become a summary, the summary becomes tags</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="16" fill="{PAPER}"/>',
        *_frames(frames),
        _arrow(312, 128, 372, 128),
        *_card(372, 30, 352, "captioner_service", "frames in, a summary out", CAPTIONER),
        *_text(392, 108, run["summary"], 44, INK),
        _arrow(724, 128, 784, 128),
        *_card(784, 30, 384, "classifier_service", "summary and your taxonomy in, tags out", CLASSIFIER),
        *_tags(804, 110, run["tags"]),
        *_key_information(804, 110 + 54 * len(run["tags"][:3]), run["key_information"]),
        *_foot(run),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _frames(frames: list[Path]) -> list[str]:
    step = max(1, len(frames) // SHOWN_FRAMES)
    shown = frames[step // 2 :: step][:SHOWN_FRAMES]
    parts = _card(32, 30, 280, "gateway", f"a clip in, {len(frames)} frames out", GATEWAY)
    for position, path in enumerate(shown):
        x, y = 52 + (position % 2) * 124, 92 + (position // 2) * 78
        with Image.open(path) as image:
            small = image.convert("RGB").resize((232, 132))
        data = io.BytesIO()
        small.save(data, "JPEG", quality=78)
        encoded = base64.b64encode(data.getvalue()).decode()
        parts.append(
            f'<image x="{x}" y="{y}" width="116" height="66" preserveAspectRatio="xMidYMid slice"'
            f' href="data:image/jpeg;base64,{encoded}"/>'
        )
    return parts


def _card(x: int, y: int, width: int, name: str, job: str, accent: str) -> list[str]:
    return [
        f'<rect x="{x}" y="{y}" width="{width}" height="228" rx="12" fill="{CARD}" stroke="{LINE}"/>',
        f'<rect x="{x}" y="{y}" width="6" height="228" rx="3" fill="{accent}"/>',
        f'<text x="{x + 20}" y="{y + 28}" font-weight="600" fill="{accent}">{name}</text>',
        f'<text x="{x + 20}" y="{y + 48}" font-size="13" fill="{MUTED}">{escape(job)}</text>',
    ]


def _text(x: int, y: int, text: str, width: int, colour: str) -> list[str]:
    lines = [line for paragraph in text.splitlines() for line in textwrap.wrap(paragraph, width)]
    return [
        f'<text x="{x}" y="{y + 20 * line}" font-size="14" fill="{colour}">{escape(words)}</text>'
        for line, words in enumerate(lines[:7])
    ]


def _tags(x: int, y: int, tags: list[dict[str, Any]]) -> list[str]:
    parts = []
    for position, tag in enumerate(tags[:3]):
        top = y + position * 54
        bar = round(220 * tag["confidence"])
        quote = tag["evidence"][0]["quote"] if tag["evidence"] else ""
        parts += [
            f'<text x="{x}" y="{top}" font-weight="600" fill="{INK}">{escape(tag["label"])}</text>',
            f'<rect x="{x + 92}" y="{top - 11}" width="220" height="12" rx="6" fill="{LINE}"/>',
            f'<rect x="{x + 92}" y="{top - 11}" width="{bar}" height="12" rx="6" fill="{CLASSIFIER}"/>',
            f'<text x="{x + 322}" y="{top}" font-size="13" fill="{MUTED}">{tag["confidence"]:.2f}</text>',
            f'<text x="{x}" y="{top + 22}" font-size="13" font-style="italic" fill="{MUTED}">“{escape(quote)}”</text>',
        ]
    return parts


def _key_information(x: int, y: int, pieces: list[str]) -> list[str]:
    lines = [line for piece in pieces for line in textwrap.wrap(f"• {piece}", 48)]
    return (
        [
            f'<text x="{x}" y="{y + 8}" font-size="13" fill="{MUTED}">key information</text>',
            *_text(x, y + 30, "\n".join(lines), 60, INK),
        ]
        if lines
        else []
    )


def _foot(run: dict[str, Any]) -> list[str]:
    captioner, classifier = run["provenance"]["captioner"], run["provenance"]["classifier"]
    vocabulary = f"{run['taxonomy']['id']}@{run['taxonomy']['version']}"
    made = f"{captioner['model']}   +   {classifier['model']}   +   taxonomy {vocabulary}"
    return [
        f'<line x1="32" y1="288" x2="{WIDTH - 32}" y2="288" stroke="{LINE}"/>',
        f'<text x="32" y="318" font-weight="600" fill="{INK}">Every answer says how it was made</text>',
        f'<text x="32" y="342" font-size="13" fill="{MUTED}">{escape(made)}</text>',
        f'<text x="{WIDTH - 32}" y="318" text-anchor="end" font-size="13" fill="{MUTED}">'
        "gRPC between the three; each scales and deploys on its own</text>",
        f'<text x="{WIDTH - 32}" y="342" text-anchor="end" font-size="12" fill="{MUTED}">'
        "Frames: Big Buck Bunny, © 2008 Blender Foundation, CC BY 3.0</text>",
    ]


def _arrow(x1: int, y1: int, x2: int, y2: int) -> str:
    return (
        f'<path d="M{x1 + 8} {y1} H{x2 - 14} m-8 -7 l9 7 l-9 7" fill="none" stroke="{MUTED}" stroke-width="2.5"'
        ' stroke-linecap="round" stroke-linejoin="round"/>'
    )


if __name__ == "__main__":
    run_file, frames_folder = sys.argv[1:3]
    sampled = sorted(Path(frames_folder).glob("*.png"))
    PICTURE.write_text(draw(json.loads(Path(run_file).read_text()), sampled))
