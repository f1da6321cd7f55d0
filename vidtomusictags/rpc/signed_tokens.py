"""Bearer tokens that an issuer has signed (JWT, RFC 7519), checked against a file of its public keys (JWKS)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidtomusictags.rpc.callers import Caller
from vidtomusictags.rpc.failures import CredentialExpired, CredentialInvalid

_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_ALGORITHMS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("RSA", ""): _RSA,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""What a key of each kind and curve may sign by. None is symmetric: a public key never serves as a shared secret."""
_LEEWAY_SECONDS = 30.0
_LEAST_RSA_BITS = 2048
_SUBJECT = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,256}")
"""Without controls, and without the halves of characters that JSON can hold and no message can."""


class SignedTokens:
    """Knows the keys of one issuer, by their id and algorithm."""

    def __init__(self, keys: Mapping[tuple[str | None, str], Any], *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience

    def caller(self, token: str) -> Caller:
        """Whom the token speaks of, with its scopes as permissions. Raises CredentialExpired or CredentialInvalid."""
        import jwt  # noqa: PLC0415  # an optional extra

        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.get((header.get("kid"), str(header.get("alg"))))
            if key is None:
                raise refused("it is signed by an unknown key or algorithm")
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:  # told apart only after the signature was found to be right
            raise CredentialExpired("Your credential has expired; use a new one.") from None
        except (jwt.PyJWTError, RecursionError, OverflowError) as error:
            raise refused(type(error).__name__) from None
        subject = claims["sub"]
        if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
            raise refused("its subject could not stand in a log line")
        return Caller(f"jwt:{subject}", frozenset(_scopes(claims)))


def read_signed_tokens(path: Path, *, issuer: str, audience: str) -> SignedTokens:
    """The issuer's keys in a JWKS file (RFC 7517); those that are for other than signatures are left out.

    Raises OSError, ModuleNotFoundError without the extra `jwt`, and ValueError for what is no such file or holds a
    symmetric, private or short key.
    """
    try:
        keys = json.loads(path.read_text(encoding="utf-8"))["keys"]
        found = [key for one in keys if one.get("use", "sig") == "sig" for key in _usable(one)]
    except (TypeError, KeyError, AttributeError, UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise ValueError('the file is no set of keys: it must hold {"keys": [...]} as JSON') from None
    by_id: dict[tuple[str | None, str], Any] = {}
    for key in found:
        if (key.key_id, key.algorithm_name) in by_id:
            raise ValueError("two keys in the file share one kid")
        by_id[key.key_id, key.algorithm_name] = key
    if not by_id:
        raise ValueError("there is no key in the file that signs")
    if len({key.key_id for key in found}) == 1:  # then tokens need not say which
        by_id |= {(None, algorithm): key for (_, algorithm), key in by_id.items()}
    return SignedTokens(by_id, issuer=issuer, audience=audience)


def _usable(one: Mapping[str, Any]) -> list[Any]:
    """The key, once for every algorithm that it may sign by."""
    try:
        from jwt import PyJWK  # noqa: PLC0415  # an optional extra
        from jwt.exceptions import PyJWTError  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("signed tokens need more: pip install 'vidtomusictags[jwt]'", name="jwt") from error
    kind, curve = one["kty"], one.get("crv", "")
    if kind == "oct" or "d" in one:
        raise ValueError("the file holds a secret or private key; it must hold public keys alone")
    algorithms = _ALGORITHMS.get((kind, curve), ())
    wanted = [one["alg"]] if "alg" in one else algorithms
    try:
        keys = [PyJWK(dict(one), algorithm=algorithm) for algorithm in wanted if algorithm in algorithms]
    except (PyJWTError, ValueError):
        raise ValueError("a key in the file cannot be read") from None
    if kind == "RSA" and any(key.key.key_size < _LEAST_RSA_BITS for key in keys):
        raise ValueError(f"an RSA key in the file has fewer than {_LEAST_RSA_BITS} bits")
    return keys


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    """Of `scope` (RFC 8693) or `scp`, as some issuers call it: one text with spaces, or a list."""
    scopes = claims.get("scope", claims.get("scp", ""))
    if isinstance(scopes, str):
        return scopes.split()
    return [one for one in scopes if isinstance(one, str)] if isinstance(scopes, list) else []


def refused(why: str) -> CredentialInvalid:
    """What a caller hears whose credential is wrong in whatever way; `why` is for the log alone."""
    failure = CredentialInvalid("Your credential is not accepted: is it whole, and meant for this service?")
    failure.add_note(why)
    return failure
