"""How much room a device has, and what its failures mean."""

from __future__ import annotations

import gc
from pathlib import Path

import torch

GIB = 1 << 30
_OUT_OF_MEMORY = ("DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether less work at once would have helped. A CPU raises a plain RuntimeError."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _OUT_OF_MEMORY)


def is_device_fault(error: BaseException) -> bool:
    """Whether the device is lost to this process: after an illegal access every further call fails."""
    if isinstance(error, torch.AcceleratorError):
        return True
    return isinstance(error, RuntimeError) and ("CUDA error" in str(error) or "CUDNN_STATUS" in str(error))


def give_back(device: torch.device) -> None:
    """Returns what is cached but not used to the device."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def free_bytes(device: torch.device) -> int:
    """Memory that can be had now: the card's, or half of what the machine has available, as others live there too."""
    if device.type == "cuda":
        give_back(device)
        return int(torch.cuda.mem_get_info(device)[0])
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 // 2
    raise ValueError("this system does not say how much memory it has available; set CAPTIONER_MAX_SLOTS")


def slots_within(free: int, *, slot_bytes: int, reserve_bytes: int, kept_clips: int, at_most: int) -> int:
    """How many slots fit beside a reserve and the kept clips, each as large as a slot.

    Raises ValueError where not one fits.
    """
    fitting = (free - reserve_bytes) // slot_bytes - kept_clips
    if fitting < 1:
        raise ValueError(
            f"a request needs {slot_bytes / GIB:.2f} GiB of cache and {free / GIB:.2f} GiB are free beside the model: "
            "choose CAPTIONER_QUANTISATION=nf4, or lower CAPTIONER_CONTEXT_TOKENS"
        )
    return int(min(fitting, at_most))
