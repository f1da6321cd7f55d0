"""What one decoding job may cost, and how many may run or wait."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

MIB = 1 << 20
GIB = 1 << 30


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class SandboxLimits:
    """Bounds of the sandbox; every one of them ends in one clear failure of one job.

    workers: processes kept warm, and so jobs that run at once.
    cores: processor cores that the jobs share; one job alone uses all of them.
    wall_seconds: wall-clock time of one job, after which its worker is killed.
    cpu_seconds: processor time of one job, summed over its threads, enforced by the kernel.
    address_space_bytes: virtual memory of a worker; 1.5 GiB covers 4K with two decoder threads (VmPeak 653 MB).
    max_file_bytes, max_pixels (of one coded frame), max_duration_seconds, max_frames (in the whole stream),
    max_streams (in the container): refused before anything is decoded wherever the container says so.
    max_output_bytes: all the frames of one job together, as they leave the worker.
    max_jobs_per_worker: after so many jobs a worker is replaced, which bounds leaks and fragmentation.
    max_waiting: jobs that may wait for a worker; the next one gets QueueFull.
    longest_wait_seconds: how long the last of them should have to wait, by what jobs take of late; QueueFull beyond.
    startup_seconds: how long a new worker may take to become ready.
    """

    workers: int = field(default_factory=_usable_cores)
    cores: int = field(default_factory=_usable_cores)
    wall_seconds: float = 60.0
    cpu_seconds: int = 90
    address_space_bytes: int = 3 * GIB // 2
    max_file_bytes: int = 8 * GIB
    max_pixels: int = 8192 * 4352
    max_duration_seconds: float = 6 * 3600.0
    max_frames: int = 2_000_000
    max_streams: int = 64
    max_output_bytes: int = 512 * MIB
    max_jobs_per_worker: int = 200
    max_waiting: int = 64
    longest_wait_seconds: float = 15.0
    startup_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "max_waiting" and value <= 0:
                raise ValueError(f"{name} must be above 0, not {value}")
        if self.max_waiting < 0:
            raise ValueError(f"max_waiting must be 0 or more, not {self.max_waiting}")
