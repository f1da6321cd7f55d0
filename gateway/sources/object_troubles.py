"""What goes wrong with object stores, in words that give away neither keys nor policies nor addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from vidtomusictags.rpc import failures


@asynccontextmanager
async def troubles_named(seconds: float) -> AsyncIterator[None]:
    """Within the block, which may last so long, the errors of s3fs and gcsfs are failures, and their texts dropped."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except failures.Failure:
        raise
    except TimeoutError:
        raise failures.RemoteTimeout("The object store is too slow; try again later, or upload the video.") from None
    except FileNotFoundError:
        raise failures.VideoNotFound("There is no such object; check the URI.", field="uri") from None
    except Exception as error:
        raise _named(error) from error


def _named(error: Exception) -> failures.Failure:
    status = _status(error)
    if isinstance(error, FileExistsError) or status == 412:
        return object_changed()
    if status == 416:
        return failures.VideoUnreadable("The video file is empty; check the URI.", field="uri")
    if isinstance(error, PermissionError) or status in (401, 403) or str(error).startswith("Forbidden"):
        return failures.RemoteForbidden(
            "The object store does not let this gateway read the object; ask the gateway's operator.", field="uri"
        )
    if type(error).__name__ in ("NoCredentialsError", "DefaultCredentialsError", "RefreshError"):
        return failures.RemoteForbidden(
            "This gateway has no valid credentials for the object store; ask its operator.", field="uri"
        )
    return failures.RemoteUnavailable(
        "The object store cannot be reached or cannot answer now; try again later.", retry_after_seconds=2.0
    )


def _status(error: BaseException | None) -> int | None:
    """The HTTP status behind an error of botocore or gcsfs, if any."""
    while error is not None:
        response: Any = getattr(error, "response", None)
        if isinstance(response, dict):
            return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) or None
        code = getattr(error, "code", None)
        if isinstance(code, int):
            return code
        error = error.__cause__
    return None


def refuse_compressed(encoding: str | None) -> None:
    """Raises RemoteInvalid for an object whose Content-Encoding is one: of such, ranges are none of the video."""
    if encoding not in (None, "", "identity"):
        raise failures.RemoteInvalid("The object is stored compressed; store the video as it is.", field="uri")


def object_changed() -> failures.VideoChanged:
    """The object is another one than was opened."""
    return failures.VideoChanged("The object changed while it was read; try again.", retry_after_seconds=1.0)


def object_invalid() -> failures.RemoteInvalid:
    """The store's answer is not one to rely on."""
    return failures.RemoteInvalid(
        "The object store answers a request for a part of the object in a way that makes no sense; upload the video."
    )
