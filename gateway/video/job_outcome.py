"""What became of a sampling job, read with suspicion: the worker that says so has read an untrusted file."""

from __future__ import annotations

import signal
from typing import Any

from gateway.video.limits import SandboxLimits
from gateway.video.manifest import Manifest
from gateway.video.plan import SamplingPlan
from gateway.video.sampled import SampledClip
from gateway.video.sandbox_metrics import Cause
from gateway.video.supplying import SupplyEnded
from gateway.video.worker_process import AnswerMalformed, WorkerEnded, WorkerProcess
from vidtomusictags.rpc import failures

# A failure crosses from the worker as its class's name; no other name is believed.
_FAILURES = {
    kind.__name__: kind
    for kind in (
        failures.DecoderDied,
        failures.InvalidRequest,
        failures.UnknownSampler,
        failures.VideoHasNoPicture,
        failures.VideoTooLarge,
        failures.VideoUnreadable,
    )
}


async def outcome_of(
    answer: dict[str, Any], plan: SamplingPlan, worker: WorkerProcess
) -> SampledClip | failures.Failure:
    """What the worker's answer says, its pictures taken over. Raises AnswerMalformed where it makes no sense."""
    try:
        if "failure" in answer:
            name, message, field = answer["failure"]
            return _FAILURES[name](str(message), field=str(field))
        sampled = answer["sampled"]
        extents = [(int(offset), int(length)) for offset, length in sampled["extents"]]
        manifest = Manifest.from_dict(sampled["manifest"])
        width, height = int(sampled["width"]), int(sampled["height"])
    except (KeyError, TypeError, ValueError):
        raise AnswerMalformed from None
    return SampledClip(await worker.take_pictures(extents), width, height, plan.encoding, manifest)


def cause_of(ended: SupplyEnded) -> Exception:
    """Why the bytes do not come; a worker that says so without reason makes no sense."""
    if isinstance(ended.__cause__, Exception):
        return ended.__cause__
    return failures.DecoderDied("The decoder gave an answer that makes no sense; send the video re-encoded.")


def end_of_worker(ended: WorkerEnded, limits: SandboxLimits) -> tuple[failures.Failure, Cause]:
    """What a worker's end in the middle of a job means for its caller."""
    if ended.return_code == -signal.SIGXCPU:
        return failures.DecodeTimeout(
            f"Decoding used more than {limits.cpu_seconds} seconds of processor time; send a shorter clip."
        ), Cause.TIMEOUT
    return failures.DecoderDied(
        "The decoder ended while it read this video; try again, and if that fails too, send the video re-encoded."
    ), Cause.ENDED
