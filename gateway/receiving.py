"""Takes an upload in: chunk by chunk onto the spool, until an end that agrees with its size."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from gateway.events import Progressed, Stage, percent_of
from gateway.spool import Upload
from vidtomusictags.rpc.failures import InputCountMismatch, InvalidRequest

MAX_CHUNK_BYTES = 1024 * 1024
_REPORT_BYTES = 4 * 1024 * 1024


async def receive(
    chunks: AsyncIterator[bytes | int], upload: Upload, *, size_bytes: int | None
) -> AsyncGenerator[Progressed, None]:
    """Writes what comes; progress at the beginning, every 4 MiB and at the end.

    chunks: pieces of the file, and last the size that the caller counts. size_bytes: as told beforehand, if at all.
    Raises InvalidRequest, InputCountMismatch, and what `Upload.write` raises.
    """
    reported = 0
    yield receiving_progress(0, size_bytes or 0)
    async for chunk in chunks:
        if isinstance(chunk, int):
            if chunk != upload.size:
                raise InputCountMismatch(
                    f"end_of_input counts {chunk} bytes, {upload.size} arrived; send the file again."
                )
            if size_bytes not in (None, upload.size):
                raise _announced_otherwise(size_bytes, upload.size)
            yield receiving_progress(upload.size, upload.size)
            return
        if not 1 <= len(chunk) <= MAX_CHUNK_BYTES:
            raise InvalidRequest(f"A chunk must hold 1 to {MAX_CHUNK_BYTES} bytes.", field="chunk.data")
        if size_bytes is not None and upload.size + len(chunk) > size_bytes:  # no room was kept for more
            raise _announced_otherwise(size_bytes, upload.size + len(chunk))
        await upload.write(chunk)
        if upload.size - reported >= _REPORT_BYTES:
            reported = upload.size
            yield receiving_progress(upload.size, size_bytes or 0)


def _announced_otherwise(size_bytes: int | None, arrived: int) -> InputCountMismatch:
    return InputCountMismatch(f"config.size_bytes said {size_bytes} bytes, {arrived} arrived; send the file again.")


def receiving_progress(done: int, total: int) -> Progressed:
    """How far the receiving of a video is, in bytes; total 0 where it is not known."""
    return Progressed(Stage.RECEIVING, done, total, percent_of(Stage.RECEIVING, done / total if total else 0.0))
