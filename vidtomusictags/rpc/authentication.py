"""Who may call what: a credential is looked at before anything is read of a call, and refused there."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import structlog

from vidtomusictags.rpc.caller_file import KnownCallers, read_callers
from vidtomusictags.rpc.callers import ON_BEHALF_OF, Caller, enter_caller, present_caller
from vidtomusictags.rpc.failures import CredentialInvalid, CredentialMissing, InvalidRequest, PermissionMissing
from vidtomusictags.rpc.file_metrics import counting_reloads
from vidtomusictags.rpc.metrics import NO_METER, Meter
from vidtomusictags.rpc.proof import AUTHORIZATION, Metadata
from vidtomusictags.rpc.reloading import Reloading
from vidtomusictags.rpc.settings import HostSettings
from vidtomusictags.rpc.signed_tokens import SignedTokens, read_signed_tokens, refused

log = structlog.get_logger()

CALLER = "vidtomusictags-caller"
"""Metadata in which one service tells another whom it works for; heard from those who have the permission alone."""
_NAME = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,318}[\x21-\x7e])?")
_JWT_DOTS = 2


@dataclass(frozen=True)
class Authentication:
    """permissions: what each method (by its full name) asks for; our methods that are not in it are for nobody.

    Without `known`, `signed` and `certificates` everybody may call everything, and is known by its address.
    certificates: whether clients have had to show one to get here.
    """

    permissions: Mapping[str, str]
    known: Reloading[KnownCallers] | None = None
    signed: Reloading[SignedTokens] | None = None
    certificates: bool = False

    @property
    def asks(self) -> bool:
        """Whether a credential is wanted at all."""
        return self.known is not None or self.signed is not None or self.certificates

    @asynccontextmanager
    async def layer(self, method: str, context: Any) -> AsyncIterator[None]:
        """Raises CredentialMissing, CredentialInvalid, CredentialExpired or PermissionMissing, or lets the call in."""
        try:
            caller = self._caller(context)
        except CredentialInvalid as failure:
            log.info("credential refused", why=failure.__notes__)
            raise
        caller = _speaking_for(caller, context)
        enter_caller(caller)
        structlog.contextvars.bind_contextvars(caller=caller.counted_as)
        if self.asks and not method.startswith("/grpc."):
            self._check(caller, method)
        yield

    def _check(self, caller: Caller, method: str) -> None:
        needed = self.permissions.get(method)
        if needed is None or not caller.may(needed):
            name = method.rpartition("/")[2]
            if needed is None:
                raise PermissionMissing(f"Nobody may call {name} here.")
            raise PermissionMissing(
                f"You may not call {name}: that needs the permission `{needed}`.", details={"permission": needed}
            )

    def _caller(self, context: Any) -> Caller:
        if not self.asks:
            return Caller(_address(context.peer()))
        token = _token(context)
        if token is not None:
            return self._by_token(token)
        names = _certificate_names(context) if self.certificates else []
        if self.known is not None and (caller := self.known.current().by_certificate(names)) is not None:
            return caller
        if names and self.known is None and self.signed is None:
            return Caller(f"certificate:{names[0]}")
        certificate = " or show a certificate that it knows" if self.certificates else ""
        raise CredentialMissing(
            f"This service wants to know who calls: send `authorization: Bearer TOKEN`{certificate}."
        )

    def _by_token(self, token: str) -> Caller:
        if self.known is not None and (caller := self.known.current().by_token(token)) is not None:
            return caller
        if self.signed is not None and token.count(".") == _JWT_DOTS:
            return self.signed.current().caller(token)
        raise refused("no caller has this token")


def authentication(settings: HostSettings, permissions: Mapping[str, str], meter: Meter = NO_METER) -> Authentication:
    """As the settings say. permissions: of each method, by its full name. meter: told of files that change.

    Raises OSError or ValueError for files.
    """
    known = signed = None
    tokens_file, jwks_file = settings.tokens_file, settings.jwks_file
    if tokens_file is not None:
        known = Reloading(
            [tokens_file],
            lambda: read_callers(tokens_file),
            _keeping("callers"),
            on_reading=counting_reloads(meter, "callers"),
        )
    if jwks_file is not None:
        issuer, audience = settings.jwt_issuer, settings.jwt_audience
        signed = Reloading(
            [jwks_file],
            lambda: read_signed_tokens(jwks_file, issuer=issuer, audience=audience),
            _keeping("keys"),
            on_reading=counting_reloads(meter, "keys"),
        )
    return Authentication(permissions, known, signed, certificates=settings.tls_client_ca is not None)


def naming_the_caller() -> Metadata:
    """Metadata for a call that the present call makes: whom it is for, where that is known."""
    try:
        caller = present_caller()
    except LookupError:
        return ()
    name = caller.for_name or caller.name
    return ((CALLER, name),) if caller.is_known and _NAME.fullmatch(name) else ()


def _keeping(what: str) -> Callable[[str], None]:
    return lambda fault: log.warning("old file kept", what=what, fault=fault)


def _speaking_for(caller: Caller, context: Any) -> Caller:
    if not caller.may(ON_BEHALF_OF):
        return caller
    names = _values(context, CALLER)
    if not names:
        return caller
    if len(names) > 1 or not _NAME.fullmatch(names[0]):
        raise InvalidRequest(f"The metadata {CALLER} must be one name of 1 to 320 printable ASCII characters.")
    return replace(caller, for_name=names[0])


def _token(context: Any) -> str | None:
    """The bearer token, None where there is no credential. Raises CredentialInvalid for what is none."""
    shown = _values(context, AUTHORIZATION)
    if not shown:
        return None
    scheme, _, token = shown[0].partition(" ")
    if len(shown) > 1 or scheme.lower() != "bearer" or not token:
        raise refused("it is not one bearer token")
    return token


def _values(context: Any, key: str) -> list[str]:
    values = [value for name, value in context.invocation_metadata() or () if name == key]
    return [value if isinstance(value, str) else value.decode("latin-1") for value in values]


def _certificate_names(context: Any) -> list[str]:
    """The names that the client's certificate is for; its common name where there are none, as RFC 6125 has it."""
    shown = context.auth_context()
    names = shown.get("x509_subject_alternative_name") or shown.get("x509_common_name", ())
    return [name.decode(errors="replace") for name in names if name]


@lru_cache(maxsize=1024)  # every call asks, those included that are refused because there are too many
def _address(peer: str) -> str:
    """Of the peer without its port; of IPv6 the network of 64 bits, which one household or host has to itself."""
    kind, _, rest = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return f"address:{kind}"
    host = rest.rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"address:{kind}"
    if address.version == 6:
        return f"address:{ipaddress.ip_network((address, 64), strict=False)}"
    return f"address:{address}"
