from __future__ import annotations

import pytest

from rt_service.gateways.hosts import Hosts

OURS = [
    None, "", "localhost", "localhost:5000", "LOCALHOST:80", "localhost.", "127.0.0.1", "127.0.0.1:5000", "[::1]",
    "[::1]:5000", "192.168.1.7:5000", "[2001:db8::1]:443", "rt.example", "RT.example:443", "rt.example.",
]  # fmt: skip
NOT_OURS = [
    "evil.example", "evil.example:5000", "localhost.evil.example", "127.0.0.1.evil.example", "xrt.example",
    "a.rt.example", "rt.example.evil", "localhost@evil.example", "evil.example:5000@localhost", "localhost:80:80",
    "localhost:port", "[::1", "::1", "[::1]x", "[localhost]", "127.1", "2130706433", "0x7f.0.0.1", "local host",
    "localhost/", "localhost,evil.example", "*", "rt.example:123456",
]  # fmt: skip


@pytest.mark.parametrize("host", OURS)
def test_addresses_localhost_and_names_of_the_settings_are_ours(host: str | None) -> None:
    assert Hosts(["rt.example"])(host)


@pytest.mark.parametrize("host", NOT_OURS)
def test_every_other_name_may_be_a_strangers(host: str) -> None:
    assert not Hosts(["rt.example"])(host)


@pytest.mark.parametrize("host", [*OURS, *NOT_OURS])
def test_any_name_may_be_allowed(host: str | None) -> None:
    assert Hosts(["*"])(host)


@pytest.mark.parametrize("name", ["https://rt.example", "rt.example:443", "*.rt.example", "rt.example/", "", "[::1]"])
def test_what_is_no_name_is_not_taken_for_one(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a host"):
        Hosts([name])


def test_a_name_in_the_settings_is_read_as_one_that_is_asked_for() -> None:
    hosts = Hosts(["RT.Example.", "other.example"])
    assert hosts("rt.example") and hosts("rt.example.:443") and hosts("OTHER.example")
