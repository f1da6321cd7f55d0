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

# By machine: its AUDIT_ARCH, and the numbers of the system calls that make connections, start programs, open or change
# files by name, reach into other processes or renew what was taken away. aarch64 has no call where it has no number.
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
    "fork": {"x86_64": 57},
    "vfork": {"x86_64": 58},
    "ptrace": {"x86_64": 101, "aarch64": 117},
    "process_vm_readv": {"x86_64": 310, "aarch64": 270},
    "process_vm_writev": {"x86_64": 311, "aarch64": 271},
    "pidfd_open": {"x86_64": 434, "aarch64": 434},
    "pidfd_getfd": {"x86_64": 438, "aarch64": 438},
    "pidfd_send_signal": {"x86_64": 424, "aarch64": 424},
    "kill": {"x86_64": 62, "aarch64": 129},
    "tkill": {"x86_64": 200, "aarch64": 130},
    "rt_sigqueueinfo": {"x86_64": 129, "aarch64": 138},
    "rt_tgsigqueueinfo": {"x86_64": 297, "aarch64": 240},
    "open": {"x86_64": 2},
    "openat": {"x86_64": 257, "aarch64": 56},
    "openat2": {"x86_64": 437, "aarch64": 437},
    "creat": {"x86_64": 85},
    "open_by_handle_at": {"x86_64": 304, "aarch64": 265},
    "open_tree": {"x86_64": 428, "aarch64": 428},
    "truncate": {"x86_64": 76, "aarch64": 45},
    "unlink": {"x86_64": 87},
    "unlinkat": {"x86_64": 263, "aarch64": 35},
    "rename": {"x86_64": 82},
    "renameat": {"x86_64": 264, "aarch64": 38},
    "renameat2": {"x86_64": 316, "aarch64": 276},
    "rmdir": {"x86_64": 84},
    "mkdir": {"x86_64": 83},
    "mkdirat": {"x86_64": 258, "aarch64": 34},
    "link": {"x86_64": 86},
    "linkat": {"x86_64": 265, "aarch64": 37},
    "symlink": {"x86_64": 88},
    "symlinkat": {"x86_64": 266, "aarch64": 36},
    "mknod": {"x86_64": 133},
    "mknodat": {"x86_64": 259, "aarch64": 33},
    "chmod": {"x86_64": 90},
    "fchmod": {"x86_64": 91, "aarch64": 52},
    "fchmodat": {"x86_64": 268, "aarch64": 53},
    "fchmodat2": {"x86_64": 452, "aarch64": 452},
    "chown": {"x86_64": 92},
    "lchown": {"x86_64": 94},
    "fchown": {"x86_64": 93, "aarch64": 55},
    "fchownat": {"x86_64": 260, "aarch64": 54},
    "shmget": {"x86_64": 29, "aarch64": 194},
    "shmat": {"x86_64": 30, "aarch64": 196},
    "mount": {"x86_64": 165, "aarch64": 40},
    "unshare": {"x86_64": 272, "aarch64": 97},
    "setns": {"x86_64": 308, "aarch64": 268},
    "bpf": {"x86_64": 321, "aarch64": 280},
    "perf_event_open": {"x86_64": 298, "aarch64": 241},
    "userfaultfd": {"x86_64": 323, "aarch64": 282},
    "io_uring_setup": {"x86_64": 425, "aarch64": 425},
    "keyctl": {"x86_64": 250, "aarch64": 219},
}
# Allowed for this process and its threads alone, as their first argument says.
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = {"x86_64": 435, "aarch64": 435}
_PRLIMIT = {"x86_64": 302, "aarch64": 261}
_TGKILL = {"x86_64": 234, "aarch64": 131}
_CLONE_THREAD = 0x00010000

_Instruction = tuple[int, int, int, int]


def confine(limits: SandboxLimits) -> bool:
    """Bound this process for good; whether its system calls are filtered from now on.

    Memory, open files, no file growth, no core dumps, death with its parent; and, where the kernel lets an unprivileged
    process filter its own system calls, no sockets, no programs, no other processes, and no file but those that its
    parent hands it: with files it could read the keys in its parent's memory (/proc/PID/mem).
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
    return _forbid_system_calls(libc)


def _forbid_system_calls(libc: ctypes.CDLL) -> bool:
    """Answer EPERM to the system calls of `_FORBIDDEN`: a seccomp filter (linux/seccomp.h, linux/filter.h).

    False where the kernel or the machine has none.
    """
    machine = platform.machine()
    if machine not in _ARCHITECTURE:
        return False
    load_word, jump_if_equal, jump_if_at_least, jump_if_set, give_back = 0x20, 0x15, 0x35, 0x45, 0x06
    load_number, load_first = (load_word, 0, 0, 0), (load_word, 0, 0, 16)  # seccomp_data.nr, .args[0]
    allow = (give_back, 0, 0, 0x7FFF0000)
    refuse, unknown = (give_back, 0, 0, _error(errno.EPERM)), (give_back, 0, 0, _error(errno.ENOSYS))

    def only_where(number: int, test: int, value: int) -> list[_Instruction]:
        return [(jump_if_equal, 0, 4, number), load_first, (test, 0, 1, value), allow, refuse]

    program: list[_Instruction] = [
        (load_word, 0, 0, 4),  # seccomp_data.arch
        (jump_if_equal, 1, 0, _ARCHITECTURE[machine]),
        refuse,
        load_number,
        (jump_if_at_least, 0, 1, 0x40000000),  # the x32 numbers of the same calls
        refuse,
    ]
    for numbers in _FORBIDDEN.values():
        if machine in numbers:
            program += [(jump_if_equal, 0, 1, numbers[machine]), refuse]
    program += [(jump_if_equal, 0, 1, _CLONE3[machine]), unknown]  # its flags cannot be seen; libc then uses clone
    program += only_where(_CLONE[machine], jump_if_set, _CLONE_THREAD)
    program += only_where(_PRLIMIT[machine], jump_if_equal, 0)
    program += only_where(_TGKILL[machine], jump_if_equal, os.getpid())
    program.append(allow)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *instruction) for instruction in program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) == 0)


def _error(number: int) -> int:
    """What a filter returns for a call that is to fail so (SECCOMP_RET_ERRNO)."""
    return 0x00050000 | number


def allow_cpu_seconds(seconds: int) -> None:
    """Let this process use that much more processor time; past it the kernel ends the process with SIGXCPU."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, ceiling = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(usage.ru_utime + usage.ru_stime) + seconds, ceiling))


def parent_is_gone(parent: int) -> bool:
    """Whether the process that started this one has ended already, too early for its death to be signalled."""
    return os.getppid() != parent
