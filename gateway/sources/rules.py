"""What the operator lets callers name, and what reading it may cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class SourceRules:
    """Everything is refused that is not allowed here.

    roots: directories under which file URIs may lead.
    hosts: web servers that are read by https; see `hosts.HostPattern`. insecure_hosts: those read by plain http.
    private_hosts: those among them whose names may lead to addresses that are not public.
    ca_file: PEM file of authorities that are trusted besides the public ones.
    buckets: object stores' buckets; see `buckets.BucketPattern`.
    s3_endpoint, gs_endpoint: URL of a service that speaks their protocol; empty: AWS, Google.
    s3_anonymous, gs_anonymous: send no credentials; else those of the services' own environment are used.
    max_bytes: largest video. max_fetched_bytes: most that is read of one video.
    total_seconds: longest that reading one video may take, all its requests together and the waits between not counted.
    idle_seconds: longest silence of a server. redirects: most that are followed.
    """

    roots: tuple[Path, ...] = ()
    hosts: tuple[str, ...] = ()
    insecure_hosts: tuple[str, ...] = ()
    private_hosts: tuple[str, ...] = ()
    ca_file: Path | None = None
    buckets: tuple[str, ...] = ()
    s3_endpoint: str = ""
    s3_anonymous: bool = False
    gs_endpoint: str = ""
    gs_anonymous: bool = False
    max_bytes: int = 8 * GIB
    max_fetched_bytes: int = 2 * GIB
    total_seconds: float = 120.0
    idle_seconds: float = 10.0
    redirects: int = 3
