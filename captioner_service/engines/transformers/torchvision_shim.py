"""Lets torchvision's wheel be imported beside a torch without CUDA."""

from __future__ import annotations

import importlib.util

_libraries: list[object] = []
"""Holds what was declared: a library object takes its operators back when it goes."""


def declare_missing_operators() -> None:
    """Declares the two operators without which `import torchvision`, and so transformers, fails on a CPU-only torch.

    The wheel's compiled part cannot load there, and its Python part names operators of it unconditionally. What a
    processor uses of torchvision (transforms.v2.functional) is plain torch code. To be called before transformers is
    imported, in every process. Does nothing where torch has CUDA: there the pair fits.
    """
    import torch  # noqa: PLC0415  # only a process that has chosen this engine pays for it

    if _libraries or torch.version.cuda is not None or importlib.util.find_spec("torchvision") is None:
        return
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _libraries.append(library)
