"""What files say, read anew when one of them changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from vidtomusictags.rpc import reloading
from vidtomusictags.rpc.reloading import Reloading


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("1")
    return path


def test_a_file_is_read_again_only_when_it_has_changed(file: Path) -> None:
    reads = []

    def read() -> str:
        reads.append(file.read_text())
        return reads[-1]

    kept = Reloading([file], read, pytest.fail)
    assert [kept.current() for _ in range(3)] == ["1"] * 3
    file.write_text("22")
    assert [kept.current() for _ in range(3)] == ["22"] * 3
    assert reads == ["1", "22"]


def test_what_cannot_be_used_is_told_once_and_tried_again_only_after_a_while(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(reloading.time, "monotonic", lambda: now)
    faults: list[str] = []
    reads = []

    def read() -> int:
        reads.append(file.read_text())
        return int(reads[-1])

    kept = Reloading([file], read, faults.append)
    file.write_text("no number")
    assert [kept.current() for _ in range(5)] == [1] * 5
    assert len(reads) == 2
    now += 1.5
    assert kept.current() == 1
    assert len(reads) == 3
    assert len(faults) == 1
    file.write_text("22")  # another file, at once
    assert kept.current() == 22


def test_a_file_that_is_gone_leaves_what_it_said(file: Path) -> None:
    faults: list[str] = []
    kept = Reloading([file], file.read_text, faults.append)
    file.unlink()
    assert kept.current() == "1"
    assert faults == ["No such file or directory"]


def test_a_file_that_cannot_be_used_from_the_first_is_an_error(file: Path) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        Reloading([file], lambda: int(file.read_text() + "x"), pytest.fail)
