"""`vidtags sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gateway.video.samplers import SAMPLERS


def test_an_array_holds_the_frames_at_native_size(vidtags: Any, film: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "frames.npy"
    ran = vidtags("sample", film, "--frames", "4", "--out", out, "--json", "-q")
    assert (ran.code, ran.stderr) == (0, "")
    array = np.load(out, allow_pickle=False)
    assert (array.shape, array.dtype) == ((4, 90, 160, 3), np.uint8)
    assert len(ran.document["frames"]) == 4
    assert list(out.parent.iterdir()) == [out]


def test_the_notebooks_sampler_takes_its_frames(vidtags: Any, film: Path) -> None:
    ran = vidtags("sample", film, "--frames", "8", "--sampler", "notebook", "--json")
    assert [frame["index"] for frame in ran.document["frames"]] == np.arange(0, 20, 20 / 8).astype(int).tolist()


def test_a_size_is_that_of_the_short_side(vidtags: Any, film: Path, tmp_path: Path) -> None:
    vidtags("sample", film, "--frames", "2", "--size", "45", "--out", tmp_path / "frames.npy")
    assert np.load(tmp_path / "frames.npy").shape == (2, 45, 80, 3)


def test_a_directory_gets_pictures_named_by_place_and_index(vidtags: Any, film: Path, tmp_path: Path) -> None:
    ran = vidtags("sample", film, "--frames", "2", "--out", tmp_path / "frames")
    assert ran.code == 0
    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert names == ["00-frame000005.png", "01-frame000015.png"]
    with Image.open(tmp_path / "frames" / names[0]) as picture:
        assert (picture.format, picture.size) == ("PNG", (160, 90))
    assert "middle of span 2 of 2" in ran.stdout


def test_pictures_and_array_are_the_same_frames(vidtags: Any, film: Path, tmp_path: Path) -> None:
    vidtags("sample", film, "--frames", "3", "--out", tmp_path / "frames")
    vidtags("sample", film, "--frames", "3", "--out", tmp_path / "frames.npy")
    pictures = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "frames").iterdir())]
    assert np.array_equal(np.stack(pictures), np.load(tmp_path / "frames.npy"))


def test_a_stretch_can_be_sampled(vidtags: Any, film: Path) -> None:
    ran = vidtags("sample", film, "--frames", "2", "--start", "1", "--end", "2", "--json")
    assert all(1 <= frame["time_seconds"] < 2 for frame in ran.document["frames"])


def test_stdin_can_be_sampled(vidtags: Any, film: Path) -> None:
    ran = vidtags("sample", "-", "--frames", "2", "--json", stdin=film.read_bytes())
    assert ran.code == 0
    assert ran.document["video"]["frame_count"] == 20


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["{film}"], 2, "--out"),
        (["{tmp}/none.mp4", "--json"], 2, "there is no such file"),
        (["{tmp}", "--json"], 2, "is a directory"),
        (["https://example.com/a.mp4", "--json"], 2, "only local files"),
        (["{film}", "--sampler", "random", "--json"], 2, "There is no sampler 'random'"),
        (["{film}", "--start", "5", "--end", "2", "--json"], 2, "must end after it starts"),
        (["{text}", "--json"], 4, "not a video"),
        (["{empty}", "--json"], 4, "empty"),
    ],
)
def test_what_cannot_be_sampled_is_told_in_one_line(
    vidtags: Any, film: Path, tmp_path: Path, arguments: list[str], code: int, told: str
) -> None:
    text, empty = tmp_path / "text.mp4", tmp_path / "empty.mp4"
    text.write_text("no video\n" * 100)
    empty.touch()
    filled = [one.format(film=film, tmp=tmp_path, text=text, empty=empty) for one in arguments]
    ran = vidtags("sample", *filled, "-q")
    assert (ran.code, ran.stdout) == (code, "")
    assert told in ran.stderr and ran.stderr.count("\n") == 1


def test_pictures_do_not_go_into_a_file(vidtags: Any, film: Path, tmp_path: Path) -> None:
    taken = tmp_path / "frames.mp4"
    taken.write_bytes(b"kept")
    ran = vidtags("sample", film, "--out", taken)
    assert (ran.code, taken.read_bytes()) == (2, b"kept")
    assert "name a directory for the pictures, or a file that ends in .npy" in ran.stderr


def test_a_failed_sample_leaves_no_file(vidtags: Any, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    vidtags("sample", text, "--out", tmp_path / "out" / "frames.npy")
    assert list(tmp_path.iterdir()) == [text]


def test_the_help_names_every_sampler(vidtags: Any) -> None:
    shown = vidtags("sample", "--help").stdout
    assert [name for name in SAMPLERS if f"{name} (" not in " ".join(shown.replace("│", " ").split())] == []
