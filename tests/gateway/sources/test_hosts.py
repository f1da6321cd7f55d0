"""Which web addresses and buckets may be named, and which network addresses may be behind them."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Sequence
from typing import Any

import pytest
from web_server import WebServer, ranged

from gateway.settings import GatewaySettings
from gateway.sources.addresses import is_public
from gateway.sources.buckets import BucketList
from gateway.sources.hosts import HostList, WebPlace
from gateway.sources.rules import SourceRules
from gateway.sources.web import WebSource
from vidtomusictags.rpc.failures import RemoteUnavailable, UriInvalid, UriRefused

HOSTS = HostList(("cdn.example.com", "*.films.example", "files.example:8443", "203.0.113.7", "[2001:db8::1]"), ())


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("https://cdn.example.com/a.mp4", ("cdn.example.com", 443, "/a.mp4")),
        ("HTTPS://CDN.Example.COM:443/a.mp4?b=c&d", ("cdn.example.com", 443, "/a.mp4?b=c&d")),
        ("https://cdn.example.com./a", ("cdn.example.com", 443, "/a")),
        ("https://cdn.example.com", ("cdn.example.com", 443, "/")),
        ("https://eu.films.example/a", ("eu.films.example", 443, "/a")),
        ("https://a.b.films.example/a", ("a.b.films.example", 443, "/a")),
        ("https://files.example:8443/a", ("files.example", 8443, "/a")),
        ("https://203.0.113.7/a", ("203.0.113.7", 443, "/a")),
        ("https://[2001:DB8:0::1]/a", ("2001:db8::1", 443, "/a")),
    ],
)
def test_what_is_on_the_list_may_be_named(uri: str, place: tuple[str, int, str]) -> None:
    assert HOSTS.place(uri) == WebPlace("https", *place)


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.com/a",
        "https://evilcdn.example.com/a",
        "https://cdn.example.com.evil.example/a",
        "https://films.example/a",
        "https://evilfilms.example/a",
        "https://cdn.example.com:8443/a",
        "https://files.example/a",
        "https://203.0.113.8/a",
        "https://127.0.0.1/a",
        "https://[::1]/a",
        "https://[::ffff:203.0.113.7]/a",
        "http://cdn.example.com/a",
    ],
)
def test_what_is_not_on_the_list_is_refused(uri: str) -> None:
    with pytest.raises(UriRefused):
        HOSTS.place(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "https://2130706433/a",
        "https://0x7f000001/a",
        "https://0x7f.1/a",
        "https://0177.0.0.1/a",
        "https://127.1/a",
        "https://203.0.113.07/a",
        "https://1.2.3.4.5/a",
        "https://[::1/a",
        "https://[fe80::1%25eth0]/a",
        "https://user@cdn.example.com/a",
        "https://user:pass@cdn.example.com/a",
        "https://cdn.example.com@evil.example/a",
        "https://cdn.example.com#@evil.example/a",
        "https://cdn.example.com\\@evil.example/a",
        "https://cdn.example.com\\.evil.example/a",
        "https://cdn.example.com/a#b",
        "https://cdn.example.com:port/a",
        "https://cdn.example.com:99999/a",
        "https://cdn.example.com:0/a",
        "https://cdn..example.com/a",
        "https://-cdn.example.com/a",
        "https://cdn.example.com /a",
        "https://cdn.example.com/a b",
        "https://cdn.example\t.com/a",
        "https://cdn.example.com/a\r\nX: y",
        "https://cdn.example.com/\x00",
        "https://b\u00fccher.films.example/a",
        "https://\uff43\uff44\uff4e.films.example/a",
        "https:///a",
        "https:/cdn.example.com/a",
        "ftp://cdn.example.com/a",
    ],
)
def test_what_could_be_read_in_two_ways_is_invalid(uri: str) -> None:
    with pytest.raises(UriInvalid):
        HOSTS.place(uri)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.8.8"),
        *("169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1"),
        *("198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
        "168.63.129.16",
        *("::", "::1", "::7f00:1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808"),
        *("2002:7f00:1::", "2002:808:808::1", "2001::1", "2001:0:7f00:1::", "2001:db8::1", "100::1", "5f00::1"),
    ],
)
def test_addresses_that_lead_inside_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "151.101.1.1", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


class Names:
    """Answers each lookup by the next of some answers, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


async def opened(names: Names, web: WebServer, rules: SourceRules) -> bytes:
    """The first bytes of the film, asked for under a name that the list allows."""
    source = WebSource(rules, lookup=names)
    place = await source.place(f"http://films.example:{web.port}/film.mp4")
    async with place.open() as video:
        return b"".join([piece async for piece in video.pieces(0, 5)])  # type: ignore[union-attr]


@pytest.fixture
def public_rules(web: WebServer) -> SourceRules:
    return SourceRules(insecure_hosts=(f"films.example:{web.port}",), idle_seconds=30.0)


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"], ["169.254.169.254"]]
)
async def test_an_allowed_name_that_leads_inside_is_refused_and_nothing_connected_to(
    addresses: list[str], web: WebServer, public_rules: SourceRules
) -> None:
    with pytest.raises(UriRefused) as refused:
        await opened(Names(addresses), web, public_rules)
    assert not any(address in refused.value.message for address in addresses)
    assert web.connections == 0


async def test_what_was_checked_is_what_is_connected_to(
    web: WebServer, public_rules: SourceRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: public when it is looked at, private when it is looked up again."""
    monkeypatch.setattr("gateway.sources.network.is_public", lambda address: str(address) == "127.0.0.1")
    web.answers["/film.mp4"] = ranged(b"12345" * 200_000)
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    assert await opened(names, web, public_rules) == b"12345"
    assert names.asked == ["films.example"]
    assert web.requests[0].headers["host"] == f"films.example:{web.port}"
    with pytest.raises(UriRefused):
        await opened(names, web, public_rules)


async def test_a_name_listed_as_private_may_lead_inside(web: WebServer, public_rules: SourceRules) -> None:
    web.answers["/film.mp4"] = ranged(b"12345")
    private = dataclasses.replace(public_rules, private_hosts=public_rules.insecure_hosts)
    assert await opened(Names(["127.0.0.1"]), web, private) == b"12345"


async def test_the_next_address_is_tried_where_one_does_not_answer(web: WebServer, public_rules: SourceRules) -> None:
    web.answers["/film.mp4"] = ranged(b"12345")
    private = dataclasses.replace(public_rules, private_hosts=public_rules.insecure_hosts)
    assert await opened(Names(["127.9.9.9", "127.0.0.1"]), web, private) == b"12345"


async def test_a_name_that_does_not_exist_is_unavailable(web: WebServer, public_rules: SourceRules) -> None:
    async def nowhere(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    source = WebSource(public_rules, lookup=nowhere)
    place = await source.place(f"http://films.example:{web.port}/film.mp4")
    with pytest.raises(RemoteUnavailable):
        async with place.open():
            pass


BUCKETS = BucketList(("s3://clips", "gs://archive/films/"))


@pytest.mark.parametrize(
    "uri", ["s3://clips/a.mp4", "s3://clips/a/b c.mp4".replace(" ", "+"), "gs://archive/films/a.mp4"]
)
def test_objects_in_listed_buckets_may_be_named(uri: str) -> None:
    place = BUCKETS.place(uri)
    assert f"{place.scheme}://{place.bucket}/{place.key}" == uri


@pytest.mark.parametrize(
    "uri",
    [
        "s3://other/a",
        "gs://clips/a",
        "s3://archive/films/a",
        "gs://archive/secret/a",
        "s3://clips2/a",
        "gs://archive/films",
    ],
)
def test_objects_elsewhere_are_refused(uri: str) -> None:
    with pytest.raises(UriRefused):
        BUCKETS.place(uri)


@pytest.mark.parametrize(
    "uri",
    [
        *("s3://clips", "s3://clips/", "s3:///a", "s3://clips/a/", "s3://cl/a", "s3://CLIPS/a", "s3://cl@ips/a"),
        *("gs://archive/films/../secret/a", "gs://archive/films/./a", "gs://archive/films//a", "s3://clips/../other/a"),
        *("gs://archive/films/%2e%2e/secret/a", "s3://clips/a?versionId=1", "s3://clips/a#1", "s3://clips/a\\b"),
        *("s3://clips:80/a", "s3://arn:aws:s3:::clips/a", "s3://clips/a b", "s3://clips/\u00fc"),
    ],
)
def test_names_of_objects_that_could_be_rewritten_are_invalid(uri: str) -> None:
    with pytest.raises(UriInvalid):
        BUCKETS.place(uri)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("remote_hosts", ["*"]),
        ("remote_hosts", ["*.1.2.3.4"]),
        ("remote_hosts", ["https://cdn.example.com"]),
        ("remote_hosts", ["cdn.example.com/path"]),
        ("remote_hosts", ["cdn.example.com:0"]),
        ("remote_hosts", ["a.*.example.com"]),
        ("remote_insecure_hosts", ["2130706433"]),
        ("remote_private_hosts", ["user@host"]),
        ("remote_buckets", ["clips"]),
        ("remote_buckets", ["https://clips"]),
        ("remote_buckets", ["s3://"]),
        ("s3_endpoint", "minio:9000"),
    ],
)
def test_settings_that_mean_nothing_stop_the_start(setting: str, value: Any) -> None:
    with pytest.raises(ValueError, match=setting):
        GatewaySettings(**{setting: value})
