"""Taking away from a worker process what decoding does not need; there is no way back."""

from __future__ import annotations

import ctypes
import errno
import math
import os
import platform
import resource
import signal
import struct

from gateway.video.limits import SandboxLimits

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 4, 38, 22
_SECCOMP_MODE_FILTER = 2
_OPEN_FILES = 64

# By machine: its AUDIT_ARCH, and the numbers of the system calls that make connections, start programs, reach into
# other processes or renew what was taken away.
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_FORBIDDEN = {
    "socket": {"x86_64": 41, "aarch64": 198},
    "socketpair": {"x86_64": 53, "aarch64": 199},
    "connect": {"x86_64": 42, "aarch64": 203},
    "bind": {"x86_64": 49, "aarch64": 200},
    "listen": {"x86_64": 50, "aarch64": 201},
    "accept": {"x86_64": 43, "aarch64": 202},
    "accept4": {"x86_64": 288, "aarch64": 242},
    "execve": {"x86_64": 59, "aarch64": 221},
    "execveat": {"x86_64": 322, "aarch64": 281},
    "ptrace": {"x86_64": 101, "aarch64": 117},
    "process_vm_readv": {"x86_64": 310, "aarch64": 270},
    "process_vm_writev": {"x86_64": 311, "aarch64": 271},
    "kill": {"x86_64": 62, "aarch64": 129},
    "tkill": {"x86_64": 200, "aarch64": 130},
    "mount": {"x86_64": 165, "aarch64": 40},
    "unshare": {"x86_64": 272, "aarch64": 97},
    "setns": {"x86_64": 308, "aarch64": 268},
    "bpf": {"x86_64": 321, "aarch64": 280},
    "io_uring_setup": {"x86_64": 425, "aarch64": 425},
    "keyctl": {"x86_64": 250, "aarch64": 219},
}


def confine(limits: SandboxLimits) -> None:
    """Bound this process for good.

    Memory, open files, no file growth, no core dumps, death with its parent; and, where the kernel lets an unprivileged
    process filter its own system calls, no sockets, no programs and no other processes.
    """
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
    _forbid_system_calls(libc)


def _forbid_system_calls(libc: ctypes.CDLL) -> None:
    """Answer EPERM to the system calls of `_FORBIDDEN`: a seccomp filter (linux/seccomp.h, linux/filter.h)."""
    machine = platform.machine()
    if machine not in _ARCHITECTURE:
        return
    forbidden = [numbers[machine] for numbers in _FORBIDDEN.values()]
    load_word, jump_if_equal, jump_if_at_least, give_back = 0x20, 0x15, 0x35, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000 | errno.EPERM
    count = len(forbidden)
    program = [
        (load_word, 0, 0, 4),  # seccomp_data.arch
        (jump_if_equal, 0, count + 3, _ARCHITECTURE[machine]),
        (load_word, 0, 0, 0),  # seccomp_data.nr
        (jump_if_at_least, count + 1, 0, 0x40000000),  # the x32 numbers of the same calls
        *((jump_if_equal, count - position, 0, number) for position, number in enumerate(forbidden)),
        (give_back, 0, 0, allow),
        (give_back, 0, 0, refuse),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *instruction) for instruction in program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0)


def allow_cpu_seconds(seconds: int) -> None:
    """Let this process use that much more processor time; past it the kernel ends the process with SIGXCPU."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, ceiling = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(usage.ru_utime + usage.ru_stime) + seconds, ceiling))


def parent_is_gone(parent: int) -> bool:
    """Whether the process that started this one has ended already, too early for its death to be signalled."""
    return os.getppid() != parent
