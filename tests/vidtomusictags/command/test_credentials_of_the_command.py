"""What the command shows services, and the tokens it makes for callers."""

from __future__ import annotations

import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from captioner_service.servicer import PERMISSIONS as CAPTIONER
from classifier_service.servicer import PERMISSIONS as CLASSIFIER
from gateway.servicer import PERMISSIONS as GATEWAY
from vidtomusictags.command.credentials import standing_first
from vidtomusictags.command.tokens import PERMISSIONS
from vidtomusictags.rpc.caller_file import read_callers
from vidtomusictags.rpc.callers import ON_BEHALF_OF


@pytest.fixture
def shown(guarded: Any) -> list[Any]:
    """The options of whoever may call the guarded fakes."""
    return [
        *("--ca", guarded.authority.file, "--certificate", guarded.client.certificate, "--key", guarded.client.key),
        *("--token-file", guarded.token_file),
    ]


def test_every_command_that_calls_shows_what_it_is_given(vidtags: Any, guarded: Any, shown: list[Any]) -> None:
    address = guarded.address
    ran = [
        vidtags("tag", "file:///clips/a.mp4", "--gateway", address, *shown),
        vidtags("taxonomies", *shown, "list", "--classifier", address),
        vidtags(*shown, "classify", "--summary", "A squirrel.", "--classifier", address),
    ]
    assert [one.code for one in ran] == [0, 0, 0], [one.stderr for one in ran]
    assert guarded.shown.tokens == ["Bearer first"] * 3


def test_the_environment_says_the_same(
    vidtags: Any, guarded: Any, shown: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for option, value in zip(shown[::2], shown[1::2], strict=True):
        monkeypatch.setenv("VIDTAGS_" + option.removeprefix("--").replace("-", "_").upper(), str(value))
    assert vidtags("tag", "file:///clips/a.mp4", "--gateway", guarded.address).code == 0


def test_a_token_is_not_shown_to_the_network(vidtags: Any, guarded: Any) -> None:
    ran = vidtags("tag", "file:///a.mp4", "--gateway", "gateway.example.com:1", "--token-file", guarded.token_file)
    assert ran.code == 2
    assert "refusing to speak plaintext" in ran.stderr
    assert "first" not in ran.stderr


@pytest.mark.parametrize(
    ("option", "told"),
    [("--ca", "no certificates in the file"), ("--certificate", "give both or neither"), ("--key", "both or neither")],
)
def test_files_that_cannot_be_used_are_a_mistake(option: str, told: str, vidtags: Any, guarded: Any) -> None:
    ran = vidtags("tag", "file:///a.mp4", option, guarded.token_file)
    assert ran.code == 2
    assert told in ran.stderr


def test_the_options_may_stand_anywhere_before_a_double_dash() -> None:
    given = ["tag", "--ca=a", "x", "--token-file", "t", "--tls", "--", "--ca", "b"]
    assert standing_first(given) == ["--ca=a", "--token-file", "t", "--tls", "tag", "x", "--", "--ca", "b"]


def test_a_new_token_fits_its_entry(vidtags: Any, tmp_path: Path) -> None:
    made = vidtags("tokens", "new", "shop.example", "--permission", "tag,caption", "--days", "2", "--json").document
    file = tmp_path / "callers.toml"
    file.write_text(made["entry"])
    entry = tomllib.loads(made["entry"])["callers"]["shop.example"]
    assert entry["token_sha256"] == sha256(made["token"].encode()).hexdigest()
    caller = read_callers(file).by_token(made["token"])
    assert caller is not None
    assert (caller.name, caller.permissions) == ("shop.example", {"tag", "caption"})
    listed = vidtags("tokens", "check", file, "--json").document["callers"]
    assert listed[0] | {"expires": ""} == {
        "name": "shop.example",
        "permissions": ["caption", "tag"],
        "tokens": 1,
        "certificates": [],
        "expires": "",
    }
    assert "shop.example" in vidtags("tokens", "check", file).stdout


def test_a_token_is_printed_once_and_never_the_same(vidtags: Any) -> None:
    first, second = (vidtags("tokens", "new", "shop", "--permission", "tag").stdout for _ in range(2))
    token = next(line for line in first.splitlines() if line.startswith("vidtags_"))
    assert len(token) == len("vidtags_") + 43
    assert first.count(token) == 1
    assert token not in second


def test_a_saved_token_is_for_its_owner_alone_and_never_written_over(vidtags: Any, tmp_path: Path) -> None:
    file = tmp_path / "shop.token"
    ran = vidtags("tokens", "new", "shop", "--permission", "tag", "--save", file)
    token = file.read_text().strip()
    assert file.stat().st_mode & 0o777 == 0o600
    assert token not in ran.stdout
    assert sha256(token.encode()).hexdigest() in ran.stdout
    again = vidtags("tokens", "new", "shop", "--permission", "tag", "--save", file)
    assert again.code == 2
    assert "is there already" in again.stderr
    assert file.read_text().strip() == token


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a b", "--permission", "tag"], "a caller's name must be"),
        (["shop", "--permission", "tags"], "there is no permission tags; there is: tag, caption"),
        (["shop"], "--permission"),
    ],
)
def test_a_wrong_name_or_permission_is_told(arguments: list[str], told: str, vidtags: Any) -> None:
    ran = vidtags("tokens", "new", *arguments)
    assert ran.code == 2
    assert told in ran.stderr


def test_a_file_with_faults_is_told(vidtags: Any, tmp_path: Path) -> None:
    file = tmp_path / "callers.toml"
    file.write_text('[callers.a]\ntoken = "hunter2"\n')
    ran = vidtags("tokens", "check", file)
    assert ran.code == 2
    assert "callers.a.token" in ran.stderr
    assert "hunter2" not in ran.stderr


def test_a_service_tells_every_fault_of_its_files_at_once_and_does_not_start(
    vidtags: Any, guarded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "callers.toml").write_text('[callers.a]\ntoken = "hunter2"\n')
    (tmp_path / "empty").write_text("")
    wrong = {
        "GATEWAY_TLS_CERTIFICATE": guarded.client.certificate,
        "GATEWAY_TLS_KEY": tmp_path / "none.key",
        "GATEWAY_TOKENS_FILE": tmp_path / "callers.toml",
        "GATEWAY_JWKS_FILE": tmp_path / "empty",
        "GATEWAY_UPSTREAM_CA": tmp_path / "empty",
        "GATEWAY_UPSTREAM_TOKEN_FILE": tmp_path / "empty",
        "GATEWAY_DECODE_WORKERS": "many",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, str(value))
    ran = vidtags("serve", "gateway")
    assert ran.code == 2
    told = {line.strip().partition(":")[0] for line in ran.stderr.splitlines()[1:]}
    assert told == set(wrong) - {"GATEWAY_TLS_CERTIFICATE"}
    assert "hunter2" not in ran.stderr
    assert str(tmp_path) not in ran.stderr


def test_the_command_knows_every_permission() -> None:
    asked = {*GATEWAY.values(), *CAPTIONER.values(), *CLASSIFIER.values(), ON_BEHALF_OF}
    assert set(PERMISSIONS) == asked
