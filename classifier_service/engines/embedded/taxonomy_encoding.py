"""Encodes taxonomies one after the other in a thread, each once for all that wait for it, and none for nobody."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from classifier_service.engines.embedded.encoder import Encoder
from classifier_service.engines.embedded.prototypes import PrototypeCache, Prototypes, embed
from classifier_service.engines.embedded.scenes import Scenes
from classifier_service.taxonomy import Taxonomy


@dataclass
class _Job:
    """One taxonomy that is encoded or waits for it, and how many callers wait for the result."""

    stop: threading.Event = field(default_factory=threading.Event)
    waiting: int = 0
    done: asyncio.Future[Prototypes] = field(init=False)


class TaxonomyEncoding:
    """Prototypes of taxonomies, kept for those used last. Awaited on one event loop.

    A large taxonomy takes half a minute of processor time: when its last caller has gone, at a deadline say, the work
    stops within one tag, and so it does when this is closed.
    """

    def __init__(self, encoder: Encoder, scenes: Scenes) -> None:
        self._encoder = encoder
        self._scenes = scenes
        self._cache = PrototypeCache()
        self._jobs: dict[str, _Job] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedded-classifier-taxonomies")

    async def prototypes(self, taxonomy: Taxonomy) -> Prototypes:
        """The taxonomy as vectors, encoded first where it is not known."""
        known = self._cache.get(taxonomy)
        if known is not None:
            return known
        job = self._jobs.get(taxonomy.digest) or self._begin(taxonomy)
        job.waiting += 1
        try:
            return await asyncio.shield(job.done)
        finally:
            job.waiting -= 1
            if not job.waiting:
                job.stop.set()
                self._jobs.pop(taxonomy.digest, None)

    def prototypes_here(self, taxonomy: Taxonomy, stop: threading.Event | None = None) -> Prototypes:
        """The same in the calling thread. Raises Abandoned once `stop` is set."""
        prototypes = self._cache.get(taxonomy)
        if prototypes is None:
            prototypes = embed(taxonomy, self._encoder, self._scenes, stop)
            self._cache.keep(taxonomy, prototypes)
        return prototypes

    def close(self) -> None:
        """Stops all work and ends the thread; calling it again does nothing."""
        for job in self._jobs.values():
            job.stop.set()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _begin(self, taxonomy: Taxonomy) -> _Job:
        job = _Job()
        job.done = asyncio.get_running_loop().run_in_executor(self._thread, self.prototypes_here, taxonomy, job.stop)
        job.done.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to ask
        self._jobs[taxonomy.digest] = job
        return job
