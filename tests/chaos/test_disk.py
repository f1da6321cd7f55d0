"""The disk that gets full, whichever way there is to have one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from disk import Disk, disk_at, in_namespace, mounted


@pytest.mark.parametrize(
    ("way", "needed"), [(mounted, "root"), (in_namespace, "user namespaces")], ids=["mounted", "in a namespace"]
)
async def test_nothing_can_be_written_until_it_has_room_again(
    way: Callable[[Path], AbstractContextManager[Disk | None]], needed: str, tmp_path: Path
) -> None:
    with way(tmp_path) as disk:
        if disk is None:
            pytest.skip(f"no file system can be mounted here: that needs {needed}")
        (disk.path / "before").write_bytes(b"x")
        async with disk.full():
            with pytest.raises(OSError, match="No space left on device"):
                (disk.path / "meanwhile").write_bytes(b"x")
        (disk.path / "after").write_bytes(b"x")


def test_where_there_is_no_way_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with disk_at(tmp_path) as disk:
        assert (disk.path, disk.can_be_full) == (tmp_path, False)
        assert "needs root, or user namespaces" in disk.told
