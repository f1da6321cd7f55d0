"""What a client shows at each call and knows its servers by, from files that may change at any time."""

from __future__ import annotations

import logging
from collections.abc import Callable

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


class Proof:
    """One for all channels that show the same.

    on_fault: told where a changed file cannot be used and what was read before stays in use. more: further metadata of
    each call. Raises OSError or CredentialsUnusable for files that cannot be used from the first.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        on_fault: Callable[[str], None] = _log,
        more: Callable[[], Metadata] = _nothing,
    ) -> None:
        self._credentials = credentials
        self._more = more
        token_file = credentials.token_file
        files = [path for path in (credentials.ca, credentials.certificate, credentials.key) if path]
        try:
            self._token = Reloading([token_file], lambda: read_token(token_file), on_fault) if token_file else None
            self._tls = Reloading(files, self._read_tls, on_fault) if credentials.by_tls else None
        except ValueError as error:
            raise CredentialsUnusable(str(error)) from error

    def check(self, target: str) -> None:
        """Raises CredentialsUnusable where calls to the target would show the token to the network."""
        if self._token is not None:
            self._credentials.refuse_plaintext(target)

    def channel_credentials(self) -> grpc.ChannelCredentials | None:
        """For new connections; None for plaintext. The same object for as long as the files stay the same."""
        return self._tls.current() if self._tls is not None else None

    def metadata(self) -> Metadata:
        """For every call."""
        token = ((AUTHORIZATION, f"Bearer {self._token.current()}"),) if self._token is not None else ()
        return (*token, *self._more())

    def _read_tls(self) -> grpc.ChannelCredentials:
        ca, certificate, key = self._credentials.ca, self._credentials.certificate, self._credentials.key
        authorities = read_authorities(ca) if ca else None
        if certificate is None or key is None:
            return grpc.ssl_channel_credentials(authorities)
        pair = read_pair(certificate, key)
        return grpc.ssl_channel_credentials(authorities, pair.key, pair.chain)


NOTHING = Proof(Credentials())
"""Plaintext, and no token."""
