"""The file that names callers: what each may do, and the digests of its tokens or the names of its certificates."""

from __future__ import annotations

import hmac
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from vidtomusictags.rpc.callers import Caller
from vidtomusictags.rpc.failures import CredentialExpired


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
_Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Permission = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,64}$")]
_STRICT = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Entry(BaseModel):
    model_config = _STRICT
    token_sha256: Annotated[list[_Digest], BeforeValidator(_listed)] = []
    certificates: Annotated[list[str], BeforeValidator(_listed)] = []
    permissions: Annotated[list[_Permission], Field(min_length=1)]
    expires: AwareDatetime | None = None


class _File(BaseModel):
    model_config = _STRICT
    callers: dict[_Name, _Entry]


class KnownCallers:
    """What the file says. Digests are of tokens with 256 bits of chance, so that they need no salt and no slow hash."""

    def __init__(self, entries: Mapping[str, _Entry]) -> None:
        self._entries = {name: (Caller(name, frozenset(one.permissions)), one.expires) for name, one in entries.items()}
        self._digests = [
            (bytes.fromhex(digest), name) for name, entry in entries.items() for digest in entry.token_sha256
        ]
        self._certificates = {shown: name for name, entry in entries.items() for shown in entry.certificates}

    def by_token(self, token: str) -> Caller | None:
        """Whose token it is, in a time that says nothing of how near a wrong one came. Raises CredentialExpired."""
        digest = sha256(token.encode()).digest()
        found = [name for known, name in self._digests if hmac.compare_digest(known, digest)]
        return self._in_time(found[0]) if found else None

    def by_certificate(self, names: Iterable[str]) -> Caller | None:
        """Whose certificate it is, by any of the names in it. Raises CredentialExpired."""
        return next((self._in_time(self._certificates[name]) for name in names if name in self._certificates), None)

    def listed(self) -> list[dict[str, Any]]:
        """For people: every caller with what it may do, how many tokens it has, and until when."""
        tokens = Counter(name for _, name in self._digests)
        return [
            {
                "name": name,
                "permissions": sorted(caller.permissions or ()),
                "tokens": tokens[name],
                "certificates": [shown for shown, owner in self._certificates.items() if owner == name],
                "expires": expires.isoformat() if expires else "",
            }
            for name, (caller, expires) in self._entries.items()
        ]

    def _in_time(self, name: str) -> Caller:
        caller, expires = self._entries[name]
        if expires is not None and expires <= datetime.now(UTC):
            raise CredentialExpired("Your credential has expired; use a new one.")
        return caller


def read_callers(path: Path) -> KnownCallers:
    """The callers that a TOML file names. Raises OSError, or ValueError with every fault and no content."""
    try:
        entries = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).callers
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"the file is no TOML: {error}") from None
    except UnicodeDecodeError:
        raise ValueError("the file is no UTF-8 text") from None
    except RecursionError:
        raise ValueError("the file is nested too deeply") from None
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise ValueError("the file has faults: " + "; ".join(faults)) from None
    _refuse_shared([digest for entry in entries.values() for digest in entry.token_sha256], "token")
    _refuse_shared([name for entry in entries.values() for name in entry.certificates], "certificate")
    return KnownCallers(entries)


def _refuse_shared(proofs: list[str], what: str) -> None:
    if len(set(proofs)) < len(proofs):
        raise ValueError(f"the same {what} stands there twice")
