"""Tokens that an issuer has signed: what is accepted, and every way to forge one that is not."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from callers import AUDIENCE, ISSUER, Issuer, write_callers
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm
from log_lines import LogLines
from pydantic import ValidationError
from scripted_server import Hosted, failure_of, hosting

from vidtomusictags.captioner.v1 import captioner_pb2 as pb
from vidtomusictags.rpc.settings import HostSettings

CLIP = pb.CaptionClipRequest()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return Issuer(tmp_path_factory.mktemp("issuer") / "jwks.json")


@pytest.fixture
def issuer(made: Issuer) -> Issuer:
    """With all its keys in the file."""
    made.write(*made.keys)
    return made


def settings(issuer: Issuer, **more: Any) -> dict[str, Any]:
    return {"jwks_file": issuer.file, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE} | more


async def reason(hosted: Hosted, token: str) -> str:
    """How a call with that token is refused; `OK` where it is not."""
    try:
        await hosted.stub.CaptionClip(CLIP, metadata=(("authorization", f"Bearer {token}"),))
    except grpc.aio.AioRpcError as error:
        assert error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
        return failure_of(error).reason
    return "OK"


@pytest.mark.parametrize("kid", ["rs256", "es256", "eddsa"])
async def test_a_token_of_the_issuer_lets_its_subject_in(kid: str, issuer: Issuer, logs: LogLines) -> None:
    async with hosting(**settings(issuer)) as hosted:
        assert await reason(hosted, issuer.token(kid)) == "OK"
        assert (await logs.wait_for("answered"))[0]["caller"] == "jwt:website"


@pytest.mark.parametrize(
    "claims",
    [{"scope": "caption"}, {"scope": ["caption"]}, {"scope": None, "scp": "x caption"}, {"aud": [AUDIENCE, "b"]}],
)
async def test_scopes_are_permissions(claims: dict[str, Any], issuer: Issuer) -> None:
    async with hosting(**settings(issuer)) as hosted:
        assert await reason(hosted, issuer.token(**claims)) == "OK"


@pytest.mark.parametrize(
    "claims", [{"scope": ""}, {"scope": None}, {"scope": "captions model"}, {"scope": [1]}, {"scope": 5}]
)
async def test_a_subject_without_the_scope_may_not(claims: dict[str, Any], issuer: Issuer) -> None:
    async with hosting(**settings(issuer)) as hosted:
        assert await reason(hosted, issuer.token(**claims)) == "PERMISSION_MISSING"


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "website", "scope": "caption", "exp": 4_000_000_000}


def unsigned(issuer: Issuer) -> str:
    return f"{encoded({'alg': 'none', 'kid': 'rs256'})}.{encoded(CLAIMS)}."


def signed_with_the_public_key_as_a_secret(issuer: Issuer) -> str:
    import hashlib
    import hmac

    public = issuer.keys["rs256"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{encoded({'alg': 'HS256', 'kid': 'rs256'})}.{encoded(CLAIMS)}"
    signature = hmac.digest(public, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def signed_by_a_stranger(issuer: Issuer) -> str:
    return jwt.encode(CLAIMS, ec.generate_private_key(ec.SECP256R1()), "ES256", headers={"kid": "es256"})


def with_a_key_of_its_own(issuer: Issuer) -> str:
    key = rsa.generate_private_key(65537, 2048)
    jwk = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    return jwt.encode(CLAIMS, key, "RS256", headers={"jwk": jwk, "kid": "own"})


def with_other_claims(issuer: Issuer) -> str:
    head, _, signature = issuer.token().split(".")
    return f"{head}.{encoded(CLAIMS | {'sub': 'root'})}.{signature}"


def deeply_nested(issuer: Issuer) -> str:
    return f"{base64.urlsafe_b64encode(b'[' * 3000).decode()}.{encoded(CLAIMS)}.x"


FORGED: dict[str, Callable[[Issuer], str]] = {
    "alg none": unsigned,
    "alg none with a signature": lambda issuer: unsigned(issuer) + "AAAA",
    "HS256 with the public key": signed_with_the_public_key_as_a_secret,
    "a stranger's key": signed_by_a_stranger,
    "a key in the header": with_a_key_of_its_own,
    "other claims": with_other_claims,
    "another key of the issuer": lambda issuer: issuer.token("es256", headers={"kid": "eddsa"}),
    "no kid among several keys": lambda issuer: issuer.token(headers={"kid": None}),
    "an unknown kid": lambda issuer: issuer.token(headers={"kid": "../../etc/passwd"}),
    "an extension that must be understood": lambda issuer: issuer.token(headers={"crit": ["x"], "x": 1}),
    "another issuer": lambda issuer: issuer.token(iss="https://evil.test"),
    "another audience": lambda issuer: issuer.token(aud="shop"),
    "no audience": lambda issuer: issuer.token(aud=None),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "no subject": lambda issuer: issuer.token(sub=None),
    "a subject for the log": lambda issuer: issuer.token(sub='x\n{"event":"forged"}'),
    "a subject without end": lambda issuer: issuer.token(sub="x" * 257),
    "a subject with half a character": lambda issuer: issuer.token(sub="x\ud800"),
    "an end beyond all numbers": lambda issuer: issuer.token(exp=float("inf")),
    "no end": lambda issuer: issuer.token(exp=None),
    "not yet": lambda issuer: issuer.token(nbf=time.time() + 120),
    "issued in the future": lambda issuer: issuer.token(iat=time.time() + 120),
    "deeply nested": deeply_nested,
    "no JSON": lambda issuer: "a.b.c",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_token_is_refused(forge: Callable[[Issuer], str], issuer: Issuer, logs: LogLines) -> None:
    async with hosting(**settings(issuer)) as hosted:
        token = forge(issuer)
        assert await reason(hosted, token) == "CREDENTIAL_INVALID"
        await logs.wait_for("answered")
        assert token not in logs.text
        assert not logs.of("failed")


async def test_an_expired_token_is_told_so_after_a_short_leeway(issuer: Issuer) -> None:
    async with hosting(**settings(issuer)) as hosted:
        assert await reason(hosted, issuer.token(exp=time.time() - 5)) == "OK"
        assert await reason(hosted, issuer.token(exp=time.time() - 60)) == "CREDENTIAL_EXPIRED"


async def test_the_issuers_keys_come_and_go_with_the_file(issuer: Issuer, logs: LogLines) -> None:
    async with hosting(**settings(issuer)) as hosted:
        issuer.write("rs256")
        assert await reason(hosted, issuer.token("es256")) == "CREDENTIAL_INVALID"
        assert await reason(hosted, issuer.token("rs256", headers={"kid": None})) == "OK"
        issuer.write("rs256", "es256")
        assert await reason(hosted, issuer.token("es256")) == "OK"
        issuer.file.write_text("{")
        assert await reason(hosted, issuer.token("es256")) == "OK"
        assert len(logs.of("old file kept", what="keys")) == 1


async def test_listed_tokens_and_signed_ones_are_accepted_side_by_side(issuer: Issuer, tmp_path: Path) -> None:
    file = write_callers(tmp_path / "callers.toml", website={"token": "a.b.c", "permissions": ["caption"]})
    async with hosting(**settings(issuer, tokens_file=file)) as hosted:
        assert await reason(hosted, "a.b.c") == "OK"
        assert await reason(hosted, issuer.token()) == "OK"


def short_rsa() -> dict[str, Any]:
    key = rsa.generate_private_key(65537, 1024)
    return json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": "short"}


def private() -> dict[str, Any]:
    return json.loads(RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048))) | {"kid": "private"}


FAULTY: dict[str, tuple[Callable[[], Any], str]] = {
    "no JSON": (lambda: "{", "no set of keys"),
    "a list": (lambda: [], "no set of keys"),
    "lists without end": (lambda: "[" * 100_000, "no set of keys"),
    "no keys": (lambda: {"keys": []}, "no key in the file that signs"),
    "a secret": (lambda: {"keys": [{"kty": "oct", "k": "aHVudGVyMg", "kid": "s"}]}, "secret or private key"),
    "a private key": (lambda: {"keys": [private()]}, "secret or private key"),
    "a short key": (lambda: {"keys": [short_rsa()]}, "fewer than 2048 bits"),
    "half a key": (lambda: {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA"}]}, "cannot be read"),
}


@pytest.mark.parametrize(("content", "told"), FAULTY.values(), ids=FAULTY.keys())
def test_a_file_of_keys_that_must_not_be_trusted_stops_the_start(
    content: Callable[[], Any], told: str, tmp_path: Path
) -> None:
    path, made = tmp_path / "jwks.json", content()
    path.write_text(made if isinstance(made, str) else json.dumps(made))
    with pytest.raises(ValidationError, match=told) as caught:
        HostSettings(jwks_file=path, jwt_issuer=ISSUER, jwt_audience=AUDIENCE)
    assert "aHVudGVyMg" not in str(caught.value)


def test_keys_without_an_issuer_and_an_audience_stop_the_start(issuer: Issuer) -> None:
    with pytest.raises(ValidationError, match="needs jwt_issuer and jwt_audience"):
        HostSettings(jwks_file=issuer.file, jwt_issuer=ISSUER)
