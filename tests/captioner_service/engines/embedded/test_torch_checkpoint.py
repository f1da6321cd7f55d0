"""Old torch checkpoints, written here without torch and read back without it."""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import types
from collections import OrderedDict

import numpy as np
import pytest
from numpy.typing import NDArray

from captioner_service.engines.embedded.checkpoint import MAGIC, PROTOCOL, CheckpointUnreadable, read_tensors


class FloatStorage:
    """Stands in for the class whose name tells a checkpoint's type of elements."""

    __module__ = "torch"


def _rebuild_tensor_v2(*arguments: object) -> None:
    """Stands in for the function whose name a checkpoint puts before every tensor; it is never run."""


_rebuild_tensor_v2.__module__ = "torch._utils"


class Storage:
    def __init__(self, key: str, elements: NDArray[np.float32]) -> None:
        self.key, self.elements = key, elements


class Tensor:
    def __init__(self, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self._arguments: tuple[object, ...] = (storage, offset, shape, strides, False, OrderedDict())

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_tensor_v2, self._arguments


class StoragePickler(pickle.Pickler):
    def persistent_id(self, obj: object) -> tuple[object, ...] | None:
        return ("storage", FloatStorage, obj.key, "cpu", len(obj.elements)) if isinstance(obj, Storage) else None


@pytest.fixture(autouse=True)
def torch_to_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules in which the pickler finds the stand-ins under their real names."""
    for stand_in in (FloatStorage, _rebuild_tensor_v2):
        module = types.ModuleType(stand_in.__module__)
        setattr(module, stand_in.__name__, stand_in)
        monkeypatch.setitem(sys.modules, module.__name__, module)


def write(state: object, storages: list[Storage], magic: int = MAGIC) -> bytes:
    file = io.BytesIO()
    for part in (magic, PROTOCOL, {"little_endian": True}, state, [storage.key for storage in storages]):
        StoragePickler(file, 2).dump(part)
    for storage in storages:
        file.write(struct.pack("<q", len(storage.elements)) + storage.elements.tobytes())
    return file.getvalue()


def test_tensors_come_back_with_offset_shape_and_strides_honoured() -> None:
    storage = Storage("7", np.arange(10, dtype=np.float32))
    state = OrderedDict(flat=Tensor(storage, 0, (4,), (1,)), turned=Tensor(storage, 4, (2, 3), (1, 2)))
    tensors = read_tensors(write(state, [storage]))
    assert tensors["flat"].tolist() == [0, 1, 2, 3]
    assert tensors["turned"].tolist() == [[4, 6, 8], [5, 7, 9]]
    assert tensors["turned"].flags.c_contiguous


def test_a_name_that_is_no_tensor_is_refused_and_not_run() -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, ("echo must not run",)

    with pytest.raises(CheckpointUnreadable, match="system, which is not a tensor"):
        read_tensors(write({"weight": Trap()}, []))


def test_a_tensor_that_reaches_outside_its_storage_is_refused() -> None:
    storage = Storage("7", np.arange(10, dtype=np.float32))
    with pytest.raises(CheckpointUnreadable, match="outside its storage"):
        read_tensors(write({"weight": Tensor(storage, 5, (6,), (1,))}, [storage]))


@pytest.mark.parametrize("bytes_", [b"", b"PK\x03\x04 a zip of a newer torch", write({}, [], magic=1)])
def test_anything_but_a_legacy_checkpoint_is_refused(bytes_: bytes) -> None:
    with pytest.raises(CheckpointUnreadable, match="not a legacy torch checkpoint"):
        read_tensors(bytes_)


def test_a_checkpoint_that_ends_early_is_refused() -> None:
    storage = Storage("7", np.arange(10, dtype=np.float32))
    whole = write({"weight": Tensor(storage, 0, (10,), (1,))}, [storage])
    for length in (len(whole) - 4, len(whole) - 44):
        with pytest.raises(CheckpointUnreadable):
            read_tensors(whole[:length])
