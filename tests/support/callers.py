"""Files of callers and of an issuer's keys, and tokens to go with them."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from time import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

ISSUER, AUDIENCE = "https://issuer.test", "vidtomusictags"


def write_callers(path: Path, **callers: dict[str, Any]) -> Path:
    """A file of callers. Each: `token` in clear or what else its table holds; dates as TOML writes them."""
    lines = []
    for name, entry in callers.items():
        token = entry.pop("token", None)
        if token is not None:
            entry["token_sha256"] = sha256(token.encode()).hexdigest()
        expires = entry.pop("expires", None)
        lines += [f"[callers.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items())]
        if expires is not None:
            lines.append(f"expires = {expires}")
    path.write_text("\n".join(lines) + "\n")
    return path


class Issuer:
    """Signs tokens; its public keys are in `file`."""

    def __init__(self, path: Path) -> None:
        self.file = path
        self.keys: dict[str, Any] = {}
        self._algorithms: dict[str, str] = {}
        for algorithm in ("RS256", "ES256", "EdDSA"):
            self.add(algorithm.lower(), algorithm)

    def add(self, kid: str, algorithm: str) -> None:
        """A new key of that name, in place of an old one."""
        match algorithm[:2]:
            case "RS":
                self.keys[kid] = rsa.generate_private_key(65537, 2048)
            case "ES":
                self.keys[kid] = ec.generate_private_key(ec.SECP256R1())
            case _:
                self.keys[kid] = ed25519.Ed25519PrivateKey.generate()
        self._algorithms[kid] = algorithm
        self.write(*self.keys)

    def write(self, *kids: str) -> None:
        """Only these keys are in the file from now on."""
        self.file.write_text(json.dumps({"keys": [self.public(kid) for kid in kids]}))

    def public(self, kid: str) -> dict[str, Any]:
        """A public key as a JWK."""
        maker: Any = get_default_algorithms()[self._algorithms[kid]]
        return json.loads(maker.to_jwk(self.keys[kid].public_key())) | {"kid": kid, "use": "sig"}

    def token(self, kid: str = "es256", *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token of that key for a minute; claims: instead of the usual ones, None to leave one out."""
        usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "website", "exp": time() + 60, "scope": "caption other"}
        claims = {key: value for key, value in (usual | claims).items() if value is not None}
        marked = {key: value for key, value in ({"kid": kid} | (headers or {})).items() if value is not None}
        return jwt.encode(claims, self.keys[kid], algorithm=self._algorithms[kid], headers=marked)
