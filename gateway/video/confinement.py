"""Taking away from a worker process what decoding does not need; there is no way back."""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal

from gateway.video.limits import SandboxLimits

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_OPEN_FILES = 64


def confine(limits: SandboxLimits) -> None:
    """Bound this process for good: memory, open files, no file growth, no core dumps, death with its parent."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(_PR_SET_DUMPABLE, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # The mapping for the pictures is address space too, though it is not the decoder's to spend.
    memory = limits.address_space_bytes + limits.max_output_bytes
    for what, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (value, value))


def allow_cpu_seconds(seconds: int) -> None:
    """Let this process use that much more processor time; past it the kernel ends the process with SIGXCPU."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, ceiling = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(usage.ru_utime + usage.ru_stime) + seconds, ceiling))


def parent_is_gone(parent: int) -> bool:
    """Whether the process that started this one has ended already, too early for its death to be signalled."""
    return os.getppid() != parent
