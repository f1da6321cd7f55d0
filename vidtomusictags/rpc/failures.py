"""Every way in which a call can fail, named for the fact; each knows its status code, reason and what a retry is worth.

Pure Python, so that domain code may raise them. `status.py` turns them into google.rpc.Status and back.
A message is written for the caller and says what to do; anything else stays in the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar


class Failure(Exception):
    """A failure whose message the caller may read.

    field: the request field at fault, as a path such as `options.sampling.sampler`; sent as BadRequest.
    retry_after_seconds: present only where trying again can help; sent as RetryInfo and as pushback metadata.
    details: a few short strings for machines; sent as ErrorInfo.metadata.
    quota: whose share is used up; sent as QuotaFailure.
    """

    code: ClassVar[str] = "INTERNAL"
    reason: ClassVar[str] = "INTERNAL"

    sheds: ClassVar[bool] = False
    """Whether it is one of overload: work that was refused for want of room, time or readiness."""

    def __init_subclass__(cls) -> None:
        """Whatever says RESOURCE_EXHAUSTED is one of overload."""
        if cls.code == "RESOURCE_EXHAUSTED":
            cls.sheds = True

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        retry_after_seconds: float | None = None,
        details: Mapping[str, str] | None = None,
        quota: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.retry_after_seconds = retry_after_seconds
        self.details = dict(details or {})
        self.quota = quota


class InvalidRequest(Failure):
    """A field holds something that the contract does not allow."""

    code, reason = "INVALID_ARGUMENT", "INVALID_REQUEST"


class CredentialMissing(Failure):
    """The service wants to know who calls, and nothing was shown."""

    code, reason = "UNAUTHENTICATED", "CREDENTIAL_MISSING"


class CredentialInvalid(Failure):
    """What was shown is not accepted, for whatever reason."""

    code, reason = "UNAUTHENTICATED", "CREDENTIAL_INVALID"


class CredentialExpired(Failure):
    """What was shown was good once."""

    code, reason = "UNAUTHENTICATED", "CREDENTIAL_EXPIRED"


class PermissionMissing(Failure):
    """The caller is known and may not do this."""

    code, reason = "PERMISSION_DENIED", "PERMISSION_MISSING"


class CallerLimited(Failure):
    """The caller has as much of the server as one caller may have."""

    code, reason = "RESOURCE_EXHAUSTED", "CALLER_LIMITED"


class ConfigMissing(Failure):
    """A stream began with something other than its config."""

    code, reason = "INVALID_ARGUMENT", "CONFIG_MISSING"


class ConfigRepeated(Failure):
    """A stream sent its config a second time."""

    code, reason = "INVALID_ARGUMENT", "CONFIG_REPEATED"


class InputAfterEnd(Failure):
    """A stream went on after `end_of_input`."""

    code, reason = "INVALID_ARGUMENT", "INPUT_AFTER_END"


class InputTruncated(Failure):
    """A stream was half-closed without `end_of_input`."""

    code, reason = "INVALID_ARGUMENT", "INPUT_TRUNCATED"


class InputCountMismatch(Failure):
    """`end_of_input` counts something other than what arrived."""

    code, reason = "DATA_LOSS", "INPUT_COUNT_MISMATCH"


class FrameInvalid(Failure):
    """A frame cannot be read as what the config calls it."""

    code, reason = "INVALID_ARGUMENT", "FRAME_INVALID"


class FrameSizeMismatch(Failure):
    """Frames of one clip differ in size."""

    code, reason = "INVALID_ARGUMENT", "FRAME_SIZE_MISMATCH"


class FrameTooLarge(Failure):
    """A frame has more bytes or pixels than the limit."""

    code, reason = "INVALID_ARGUMENT", "FRAME_TOO_LARGE"


class TooManyFrames(Failure):
    """A clip or window has more frames than the model takes."""

    code, reason = "INVALID_ARGUMENT", "TOO_MANY_FRAMES"


class NoFrames(Failure):
    """A clip has no frames."""

    code, reason = "INVALID_ARGUMENT", "NO_FRAMES"


class UnknownPrompt(Failure):
    """No prompt template has that name."""

    code, reason = "NOT_FOUND", "PROMPT_UNKNOWN"


class UnknownModel(Failure):
    """The named model is not the one that is served."""

    code, reason = "NOT_FOUND", "MODEL_UNKNOWN"


class UnknownTaxonomy(Failure):
    """No taxonomy has that id and version."""

    code, reason = "NOT_FOUND", "TAXONOMY_UNKNOWN"


class UnknownTag(Failure):
    """A tag that the taxonomy does not have was named."""

    code, reason = "INVALID_ARGUMENT", "TAG_UNKNOWN"


class UnknownSampler(Failure):
    """No sampler has that name."""

    code, reason = "INVALID_ARGUMENT", "SAMPLER_UNKNOWN"


class TaxonomyInvalid(Failure):
    """A taxonomy breaks the rules of taxonomies."""

    code, reason = "INVALID_ARGUMENT", "TAXONOMY_INVALID"


class SummaryInvalid(Failure):
    """A summary is empty, too long or not text."""

    code, reason = "INVALID_ARGUMENT", "SUMMARY_INVALID"


class RequiredFacetEmpty(Failure):
    """No tag of a facet that must be answered fits."""

    code, reason = "FAILED_PRECONDITION", "REQUIRED_FACET_EMPTY"


class UriRefused(Failure):
    """The URI leads outside what this gateway may open."""

    code, reason = "PERMISSION_DENIED", "URI_REFUSED"


class UriInvalid(Failure):
    """The URI cannot be understood or its scheme is not served."""

    code, reason = "INVALID_ARGUMENT", "URI_INVALID"


class VideoNotFound(Failure):
    """There is no file at that URI."""

    code, reason = "NOT_FOUND", "VIDEO_NOT_FOUND"


class VideoUnreadable(Failure):
    """The bytes are not a video that can be decoded."""

    code, reason = "INVALID_ARGUMENT", "VIDEO_UNREADABLE"


class VideoHasNoPicture(Failure):
    """The file holds no video stream."""

    code, reason = "INVALID_ARGUMENT", "VIDEO_WITHOUT_PICTURE"


class VideoTooLarge(Failure):
    """The video exceeds a limit of bytes, pixels, frames or duration."""

    code, reason = "INVALID_ARGUMENT", "VIDEO_TOO_LARGE"


class VideoChanged(Failure):
    """The video changed while it was read."""

    code, reason = "ABORTED", "VIDEO_CHANGED"


class RemoteUnavailable(Failure):
    """The server that holds the video cannot be reached or says that it cannot answer now."""

    code, reason = "UNAVAILABLE", "REMOTE_UNAVAILABLE"


class RemoteTimeout(Failure):
    """The server that holds the video is too slow."""

    code, reason = "DEADLINE_EXCEEDED", "REMOTE_TIMEOUT"


class RemoteForbidden(Failure):
    """The server that holds the video does not let this gateway read it."""

    code, reason = "PERMISSION_DENIED", "REMOTE_FORBIDDEN"


class RemoteInvalid(Failure):
    """The server that holds the video answers in a way that cannot be relied on."""

    code, reason = "FAILED_PRECONDITION", "REMOTE_INVALID"


class DecodeTimeout(Failure):
    """Decoding took longer than it may."""

    code, reason = "DEADLINE_EXCEEDED", "DECODE_TIMEOUT"


class DecoderDied(Failure):
    """The worker that decoded the video ended; the video may be the cause."""

    code, reason = "INTERNAL", "DECODER_DIED"


class SpoolFull(Failure):
    """There is no room on disk for another upload."""

    code, reason = "RESOURCE_EXHAUSTED", "SPOOL_FULL"


class StreamsFull(Failure):
    """All slots for calls are taken."""

    code, reason = "RESOURCE_EXHAUSTED", "STREAMS_FULL"


class QueueFull(Failure):
    """The queue for work is full."""

    code, reason = "RESOURCE_EXHAUSTED", "QUEUE_FULL"


class Draining(Failure):
    """The server is shutting down."""

    code, reason = "UNAVAILABLE", "DRAINING"
    sheds = True


class Loading(Failure):
    """The model is not loaded yet."""

    code, reason = "UNAVAILABLE", "MODEL_LOADING"
    sheds = True


class WouldMissDeadline(Failure):
    """The wait for work would outlast the caller's deadline."""

    code, reason = "DEADLINE_EXCEEDED", "WOULD_MISS_DEADLINE"
    sheds = True


class DeadlineExceeded(Failure):
    """The time for the call ran out."""

    code, reason = "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"


class CaptioningFailed(Failure):
    """The model could not describe the clip."""

    code, reason = "INTERNAL", "CAPTIONING_FAILED"


class AnswerInvalid(Failure):
    """The engine's answer broke the contract and was withheld."""

    code, reason = "INTERNAL", "MODEL_OUTPUT_INVALID"


class UpstreamUnavailable(Failure):
    """A service that this one needs cannot be reached."""

    code, reason = "UNAVAILABLE", "UPSTREAM_UNAVAILABLE"


class UpstreamBroken(Failure):
    """A service that this one needs answered against the contract."""

    code, reason = "INTERNAL", "UPSTREAM_BROKEN"


class UpstreamRateLimited(Failure):
    """The provider of a model, or the limit set for it here, lets no more requests through for now."""

    code, reason = "RESOURCE_EXHAUSTED", "UPSTREAM_RATE_LIMITED"


class UpstreamQuota(Failure):
    """What was paid for at the provider of a model is used up."""

    code, reason = "FAILED_PRECONDITION", "UPSTREAM_QUOTA"


class UpstreamAuth(Failure):
    """The provider of a model refuses this server's key: the operator's fault, never the caller's."""

    code, reason = "INTERNAL", "UPSTREAM_AUTH"


class UpstreamRejected(Failure):
    """The provider of a model does not take the request as this server makes it, such as for an unknown model."""

    code, reason = "FAILED_PRECONDITION", "UPSTREAM_REJECTED"


class ContextLengthExceeded(Failure):
    """The input and what goes with it is longer than the model reads."""

    code, reason = "INVALID_ARGUMENT", "CONTEXT_LENGTH_EXCEEDED"


class ContentRefused(Failure):
    """The model, or its provider's filter, refuses to answer about this content."""

    code, reason = "FAILED_PRECONDITION", "CONTENT_REFUSED"


class BudgetExceeded(Failure):
    """The next request to the model could cost more than a call or a day may."""

    code, reason = "RESOURCE_EXHAUSTED", "BUDGET_EXCEEDED"


class WorkerLost(Failure):
    """The process that held the work ended before it was done; another is being started."""

    code, reason = "UNAVAILABLE", "WORKER_LOST"


class OutOfMemory(Failure):
    """The work does not fit into the memory of its device, not even alone."""

    code, reason = "INTERNAL", "OUT_OF_MEMORY"


_REASONS = frozenset({Failure.reason} | {kind.reason for kind in Failure.__subclasses__()})


def known_reason(reason: str) -> str:
    """The reason where this table has it, else `OTHER`: what another server says must not grow lists of our own."""
    return reason if reason in _REASONS else "OTHER"


def shedding_reasons() -> Sequence[str]:
    """Of all failures of overload."""
    return sorted({kind.reason for kind in Failure.__subclasses__() if kind.sheds})
