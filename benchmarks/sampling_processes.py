"""Contenders in processes of their own: several builds of one decoder in one process have crashed it, and what crashes
takes only itself out of the comparison."""

from __future__ import annotations

import importlib
import multiprocessing
import time
from multiprocessing.connection import Connection

from sampling_contenders import Contender, Job, contenders

_CONTEXT = multiprocessing.get_context("spawn")
_LONGEST_SECONDS = 600.0


class Failed(Exception):
    """A contender's failure, which is a result of the comparison."""


class Contestant:
    """One contender, warm in its process between jobs. A process that ends is started anew for the next job."""

    def __init__(self, contender: Contender) -> None:
        self.name = contender.name
        self._start()

    def seconds(self, job: Job) -> float:
        """How long the job takes, inside the process. Raises Failed."""
        try:
            self._ours.send(job)
            if not self._ours.poll(_LONGEST_SECONDS):
                raise EOFError
            outcome = self._ours.recv()
        except (EOFError, OSError):
            self.end()
            code = self._process.exitcode
            self._start()
            raise Failed(f"its process ended with {code}") from None
        if isinstance(outcome, str):
            raise Failed(outcome)
        return float(outcome)

    def end(self) -> None:
        """Ends the process."""
        self._ours.close()
        self._process.join(1)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _start(self) -> None:
        self._ours, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(self.name, theirs), daemon=True)
        self._process.start()
        theirs.close()


def _serve(name: str, jobs: Connection) -> None:
    """In the process: seconds of each job, or what went wrong in words."""
    contender = next(one for one in contenders() if one.name == name)
    importlib.import_module(contender.module)
    while True:
        try:
            job = jobs.recv()
        except EOFError:
            return
        began = time.perf_counter()
        try:
            count = len(contender.sample(job))
        except Exception as error:  # a peer's failure is a result of the comparison
            jobs.send(f"{type(error).__name__}: {str(error)[:80]}")
            continue
        taken = time.perf_counter() - began
        jobs.send(taken if count == len(job.indices) else f"gave {count} frames")
