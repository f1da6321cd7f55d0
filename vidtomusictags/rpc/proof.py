"""What a client shows at each call and knows its servers by, from files that may change at any time."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import grpc

from vidtomusictags.rpc.certificates import read_authorities, read_pair
from vidtomusictags.rpc.credentials import Credentials, CredentialsUnusable, read_token
from vidtomusictags.rpc.reloading import Reloading

AUTHORIZATION = "authorization"
Metadata = tuple[tuple[str, str], ...]


def _nothing() -> Metadata:
    return ()


def _log(fault: str) -> None:
    logging.getLogger(__name__).warning("old credentials kept: %s", fault)


@dataclass(frozen=True)
class _Tls:
    """What connections are made with. ends_at: of the certificate that is shown, as `KeyPair` has it."""

    credentials: grpc.ChannelCredentials
    ends_at: float | None


class Proof:
    """One for all channels that show the same.

    on_fault: told where a changed file cannot be used and what was read before stays in use. on_reading: told of every
    reading of changed files, whether they could be used. more: further metadata of each call.
    Raises OSError or CredentialsUnusable for files that cannot be used from the first.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        on_fault: Callable[[str], None] = _log,
        on_reading: Callable[[bool], None] | None = None,
        more: Callable[[], Metadata] = _nothing,
    ) -> None:
        self._credentials = credentials
        self._more = more
        token_file = credentials.token_file
        files = [path for path in (credentials.ca, credentials.certificate, credentials.key) if path]
        reloading = partial(Reloading, on_fault=on_fault, on_reading=on_reading)
        try:
            self._token = reloading([token_file], lambda: read_token(token_file)) if token_file else None
            self._tls = reloading(files, self._read_tls) if credentials.by_tls else None
        except ValueError as error:
            raise CredentialsUnusable(str(error)) from error

    def check(self, target: str) -> None:
        """Raises CredentialsUnusable where calls to the target would show the token to the network."""
        if self._token is not None:
            self._credentials.refuse_plaintext(target)

    def channel_credentials(self) -> grpc.ChannelCredentials | None:
        """For new connections; None for plaintext. The same object for as long as the files stay the same."""
        return self._tls.current().credentials if self._tls is not None else None

    def certificate_ends_at(self) -> float:
        """Unix time in seconds at which the certificate that is shown runs out; not a number where there is none."""
        ends_at = self._tls.current().ends_at if self._tls is not None else None
        return math.nan if ends_at is None else ends_at

    def metadata(self) -> Metadata:
        """For every call."""
        token = ((AUTHORIZATION, f"Bearer {self._token.current()}"),) if self._token is not None else ()
        return (*token, *self._more())

    def _read_tls(self) -> _Tls:
        ca, certificate, key = self._credentials.ca, self._credentials.certificate, self._credentials.key
        authorities = read_authorities(ca) if ca else None
        if certificate is None or key is None:
            return _Tls(grpc.ssl_channel_credentials(authorities), None)
        pair = read_pair(certificate, key)
        return _Tls(grpc.ssl_channel_credentials(authorities, pair.key, pair.chain), pair.ends_at)


NOTHING = Proof(Credentials())
"""Plaintext, and no token."""
