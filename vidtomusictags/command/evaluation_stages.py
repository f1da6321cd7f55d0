"""The stages of evaluation runs: services that are running somewhere, or started here for the evaluation alone."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from vidtomusictags.command.credentials import chosen_credentials
from vidtomusictags.command.endings import Mistake
from vidtomusictags.command.extras import needing
from vidtomusictags.command.fleet import CAPTIONER, CLASSIFIER, Child, private_settings
from vidtomusictags.command.service_settings import ServiceName, read_settings
from vidtomusictags.command.taxonomy_argument import for_service, is_file, read_file
from vidtomusictags.evaluation.clip_digest import clip_digest
from vidtomusictags.evaluation.recording import Recorder, Replay
from vidtomusictags.evaluation.run_spec import RunSpec, is_address
from vidtomusictags.evaluation.running import Stages
from vidtomusictags.evaluation.stage_results import Answer, Identity, StageFailed, Summary

if TYPE_CHECKING:
    from classifier_service.taxonomy import Taxonomy
    from vidtomusictags.client.classifier import ClassifierClient
    from vidtomusictags.evaluation.clip_sampler import ClipSampler
    from vidtomusictags.rpc.credentials import Credentials

_START_SECONDS = 120.0


@dataclass(frozen=True)
class OpenRun:
    """A run that can begin. identities: by stage."""

    spec: RunSpec
    stages: Stages
    taxonomy: Taxonomy
    identities: dict[str, Identity]


class StagesOpener:
    """Opens the stages of runs; services of equal settings are started once. Use it through `opening_stages`."""

    def __init__(self, stack: ExitStack, *, workers: int, timeout_seconds: float) -> None:
        self._stack = stack
        self._workers = workers
        self._timeout_seconds = timeout_seconds
        self._addresses: dict[tuple[str, str, tuple[tuple[str, str], ...]], str] = {}
        self._sampler: ClipSampler | None = None

    def open(self, spec: RunSpec, *, with_clips: bool) -> OpenRun:
        """Raises Mistake, Loading, StageFailed, and what reading a taxonomy raises."""
        from vidtomusictags.client.captioner import CaptionerClient  # noqa: PLC0415  # gRPC takes long to load
        from vidtomusictags.client.classifier import ClassifierClient  # noqa: PLC0415
        from vidtomusictags.evaluation.services import ServiceCaptioner, ServiceClassifier  # noqa: PLC0415

        address = self._address(CLASSIFIER, spec.classifier, spec.classifier_settings)
        client = self._stack.enter_context(
            ClassifierClient(address, timeout_seconds=self._timeout_seconds, credentials=_shown_to(spec.classifier))
        )
        classifier = ServiceClassifier(client, spec, for_service(spec.taxonomy or None))
        captioner = None
        if with_clips:
            address = self._address(CAPTIONER, spec.captioner, spec.captioner_settings)
            describer = self._stack.enter_context(
                CaptionerClient(address, timeout_seconds=self._timeout_seconds, credentials=_shown_to(spec.captioner))
            )
            captioner = ServiceCaptioner(describer, self._clip_sampler(), spec)
        identities = {stage.identity.stage: stage.identity for stage in (captioner, classifier) if stage is not None}
        stages = Stages(captioner, classifier, clip_digest, spec.repeats)
        return OpenRun(spec, stages, self._taxonomy(client, spec), identities)

    def _taxonomy(self, client: ClassifierClient, spec: RunSpec) -> Taxonomy:
        from classifier_service.taxonomy_translation import to_taxonomy  # noqa: PLC0415

        if is_file(spec.taxonomy):
            return read_file(spec.taxonomy)
        return to_taxonomy(client.taxonomy(spec.taxonomy))

    def _address(self, role: str, who: str, settings: Mapping[str, str]) -> str:
        """Where a service answers, which is started unless it runs."""
        if is_address(who):
            return who
        own = tuple(sorted(settings.items()))
        if (role, who, own) not in self._addresses:
            prefix = role.upper()
            environment = {f"{prefix}_{name.upper()}": value for name, value in own}
            environment |= {
                f"{prefix}_ENGINE": who,
                f"{prefix}_DRAIN_ANNOUNCE_SECONDS": "0",
            }
            environment |= private_settings(prefix)
            self._addresses[role, who, own] = self._start(role, environment)
        return self._addresses[role, who, own]

    def _start(self, role: str, environment: dict[str, str]) -> str:
        from vidtomusictags.rpc.failures import Loading  # noqa: PLC0415

        output = self._stack.enter_context(TemporaryFile())  # noqa: SIM115  # the stack closes it
        child = Child(role, environment, output)
        self._stack.callback(child.stop)
        try:
            return f"127.0.0.1:{child.wait_until_ready(time.monotonic() + _START_SECONDS)}"
        except (Loading, Mistake):
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace"))
            raise

    def _clip_sampler(self) -> ClipSampler:
        if self._sampler is None:
            with needing("gateway"):
                from vidtomusictags.evaluation.clip_sampler import sampling_clips  # noqa: PLC0415
            sampling = sampling_clips(workers=self._workers, timeout_seconds=self._timeout_seconds)
            self._sampler = self._stack.enter_context(sampling)
        return self._sampler


def _shown_to(who: str) -> Credentials | None:
    """Nothing to a service of our own, which asks for nothing."""
    return chosen_credentials() if is_address(who) else None


@contextmanager
def opening_stages(*, workers: int, timeout_seconds: float) -> Iterator[StagesOpener]:
    """An opener whose services are stopped after the block."""
    with ExitStack() as stack:
        yield StagesOpener(stack, workers=workers, timeout_seconds=timeout_seconds)


def recorded_run(spec: RunSpec, replay: Replay, folder: Path) -> OpenRun:
    """A run that only repeats. folder: of the data set, which recordings name clips from.

    Raises RecordingUnusable, Mistake where the taxonomy is another than was recorded.
    """
    identities = replay.identities(spec)
    facts = identities["classify"].facts
    taxonomy = local_taxonomy(spec)
    if taxonomy.digest != facts["taxonomy_digest"]:
        raise Mistake(
            f"run {spec.name}: {taxonomy.id}@{taxonomy.version} is not what it was when this was recorded; record anew"
        )

    def digest_of(clip: str) -> str:
        try:
            return clip_digest(clip)
        except StageFailed:
            recorded = replay.clip_digest(_named_from(folder, clip))
            if recorded is None:
                raise
            return recorded

    captioner = _Recorded(identities["caption"]) if "caption" in identities else None
    stages = Stages(captioner, _Recorded(identities["classify"]), digest_of, spec.repeats)
    return OpenRun(spec, stages, taxonomy, identities)


def local_taxonomy(spec: RunSpec) -> Taxonomy:
    """The taxonomy of a run without a service: a file, a packaged one, or one of the classifier's directories here."""
    if is_file(spec.taxonomy):
        return read_file(spec.taxonomy)
    with needing("classifier"):
        from classifier_service.taxonomy_store import TaxonomyStore  # noqa: PLC0415
    settings = read_settings(ServiceName.CLASSIFIER)
    return TaxonomyStore.load(settings.taxonomy_directories).find(spec.taxonomy or settings.default_taxonomy)


def noting_clips(stages: Stages, recorder: Recorder, folder: Path) -> Stages:
    """The same stages; the bytes of every clip go into the recording."""

    def digest_of(clip: str) -> str:
        digest = stages.digest_of(clip)
        recorder.note_clip(_named_from(folder, clip), digest)
        return digest

    return Stages(stages.captioner, stages.classifier, digest_of, stages.repeats)


def _named_from(folder: Path, clip: str) -> str:
    """The clip as its data set could name it: not by where that lies on this machine."""
    return clip if "://" in clip else Path(os.path.relpath(clip, folder)).as_posix()


class _Recorded:
    """A stage that is never called, because a recording answers for it or nothing does."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity

    def describe(self, clip: str) -> Summary:
        raise NotImplementedError

    def classify(self, summary: Summary) -> Answer:
        raise NotImplementedError
