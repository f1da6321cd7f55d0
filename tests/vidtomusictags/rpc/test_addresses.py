"""Which addresses stay on this machine."""

from __future__ import annotations

import pytest

from vidtomusictags.rpc.addresses import is_loopback, leads_to_loopback


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1:1",
        "localhost:1",
        "[::1]:1",
        "dns:///localhost:1",
        "dns:///127.0.0.1",
        "dns://127.0.0.1:53/127.0.0.2:1",
        "ipv4:127.0.0.1:1,127.0.0.2:2",
        "ipv6:[::1]:1",
        "unix:/run/captioner.sock",
    ],
)
def test_a_target_on_this_machine(target: str) -> None:
    assert leads_to_loopback(target)


@pytest.mark.parametrize(
    "target",
    [
        "captioner:1",
        "10.0.0.1:1",
        "dns:///captioner:1",
        "dns:captioner:1",
        "dns://127.0.0.1:53/captioner:1",
        "ipv4:127.0.0.1:1,10.0.0.1:1",
        "127.0.0.1.example.com:1",
        "localhost.example.com:1",
        "xds:///captioner",
        "",
    ],
)
def test_a_target_that_may_lead_anywhere(target: str) -> None:
    assert not leads_to_loopback(target)


def test_an_address_for_everybody_is_not_loopback() -> None:
    assert not is_loopback("0.0.0.0:1")
    assert not is_loopback("[::]:1")
