"""Objects that callers may name: the form of their URIs, and the list of buckets that they must be in."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.sources.source import check_printable
from vidtomusictags.rpc.failures import UriInvalid, UriRefused

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


@dataclass(frozen=True)
class ObjectPlace:
    """An object in a store."""

    scheme: str
    bucket: str
    key: str


@dataclass(frozen=True)
class BucketPattern:
    """`s3://bucket` for all of a bucket, or `gs://bucket/films/` for all keys that begin so."""

    scheme: str
    bucket: str
    prefix: str

    @classmethod
    def parse(cls, text: str) -> BucketPattern:
        """Raises ValueError for what is no pattern."""
        found = re.fullmatch(r"(s3|gs)://([^/]+)(?:/(.*))?", text)
        if found is None or not _BUCKET.fullmatch(found[2]):
            raise ValueError(f"{text!r} is no bucket; write s3://bucket or gs://bucket/prefix/")
        return cls(found[1], found[2], found[3] or "")

    def allows(self, place: ObjectPlace) -> bool:
        """Whether the object is one of these."""
        return (place.scheme, place.bucket) == (self.scheme, self.bucket) and place.key.startswith(self.prefix)


class BucketList:
    """The buckets that may be read from."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        """Raises ValueError for what is no pattern."""
        self._patterns = tuple(BucketPattern.parse(text) for text in patterns)

    def place(self, uri: str) -> ObjectPlace:
        """The object that an allowed URI names. Raises UriInvalid or UriRefused.

        The key is taken as it is written. One that a client could still rewrite is invalid: `a/../b` would be checked
        as it stands and fetched as `b`.
        """
        check_printable(uri)
        scheme, _, rest = uri.partition("://")
        bucket, _, key = rest.partition("/")
        if not _BUCKET.fullmatch(bucket) or not key or key.endswith("/") or re.search(r"[?#\\%]", key):
            raise UriInvalid(
                "An object's URI is s3://bucket/key or gs://bucket/key, without ?, #, % and backslash.", field="uri"
            )
        if any(part in ("", ".", "..") for part in key.split("/")):
            raise UriInvalid("The object's key may hold no empty part and no part . or ...", field="uri")
        place = ObjectPlace(scheme.lower(), bucket, key)
        if not any(pattern.allows(place) for pattern in self._patterns):
            raise UriRefused(
                "The URI's bucket is not one that this gateway reads from; ask its operator which those are.",
                field="uri",
            )
        return place
