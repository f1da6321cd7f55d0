"""Reads the tensors of an old torch checkpoint with numpy alone, and executes nothing that it names.

The format is the one that torch wrote before version 1.6 (`torch.serialization._legacy_save`): five pickles (magic
number, protocol, system information, object, keys of its storages), then every storage as a little-endian int64 count
and its raw elements.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001

_ELEMENTS: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}

Tensors = dict[str, NDArray[Any]]


class CheckpointUnreadable(ValueError):
    """The bytes are not a checkpoint of plain tensors."""


@dataclass(frozen=True)
class _TensorView:
    """Where in its storage a tensor lies; offset and strides count elements."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, storages: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """A contiguous copy. The strides matter: these kernels keep the memory order of TensorFlow."""
        elements = storages[self.storage][self.offset :]
        last = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if min((0, *self.strides)) < 0 or last >= max(len(elements), 1):
            raise CheckpointUnreadable("a tensor of the checkpoint reaches outside its storage")
        strides = tuple(stride * elements.itemsize for stride in self.strides)
        return np.ascontiguousarray(np.lib.stride_tricks.as_strided(elements, self.shape, strides))


def _view(storage: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> _TensorView:
    return _TensorView(storage, offset, tuple(shape), tuple(strides))


class _TensorUnpickler(pickle.Unpickler):
    """Knows tensors, float and long storages and ordered dictionaries, and refuses every other name."""

    def __init__(self, file: io.BytesIO, elements: dict[str, np.dtype[Any]]) -> None:
        super().__init__(file)
        self._elements = elements

    def find_class(self, module: str, name: str) -> type | Callable[..., object] | str:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return _view
            case "torch", ("FloatStorage" | "LongStorage"):
                return name
        raise CheckpointUnreadable(f"the checkpoint asks for {module}.{name}, which is not a tensor")

    def persistent_load(self, reference: tuple[str, str, str]) -> str:
        kind, elements, key = reference[:3]
        if kind != "storage":
            raise CheckpointUnreadable(f"the checkpoint refers to a {kind}, which is not a tensor")
        self._elements[key] = _ELEMENTS[elements]
        return key


def read_tensors(checkpoint: bytes) -> Tensors:
    """The tensors of a state dictionary by name, each C-contiguous.

    Raises CheckpointUnreadable for anything that is not a legacy checkpoint of plain tensors.
    """
    file = io.BytesIO(checkpoint)
    elements: dict[str, np.dtype[Any]] = {}

    def load() -> object:
        return _TensorUnpickler(file, elements).load()

    try:
        if load() != MAGIC or load() != PROTOCOL:
            raise CheckpointUnreadable("the bytes are not a legacy torch checkpoint")
        load()  # byte order and integer sizes of the machine that wrote it: always little-endian in practice
        state = load()
        keys = load()
    except (pickle.UnpicklingError, EOFError) as error:
        raise CheckpointUnreadable("the bytes are not a legacy torch checkpoint") from error
    if not isinstance(state, dict) or not isinstance(keys, list):
        raise CheckpointUnreadable("the checkpoint does not hold a dictionary of tensors")
    storages = {key: _read_storage(file, elements[key]) for key in keys}
    return {name: view.of(storages) for name, view in state.items()}


def _read_storage(file: io.BytesIO, element: np.dtype[Any]) -> NDArray[Any]:
    header = file.read(8)
    count = struct.unpack("<q", header)[0] if len(header) == 8 else -1
    content = file.read(max(count, 0) * element.itemsize)
    if count < 0 or len(content) < count * element.itemsize:
        raise CheckpointUnreadable("the checkpoint ends before its last tensor")
    return np.frombuffer(content, element)
