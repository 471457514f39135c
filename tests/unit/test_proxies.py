from __future__ import annotations

import pytest

from rt_service.gateways.addresses import Networks
from rt_service.gateways.proxies import Proxies

TRUSTED = Networks(["10.0.0.0/8", "2001:db8:ffff::/48"])


def revealed(peer: str, header: str = "X-Forwarded-For", **headers: str) -> tuple[bool, str, str]:
    """Whether it came through a proxy, from whom and how."""
    environ = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http"} | {f"HTTP_{k}": v for k, v in headers.items()}
    through = Proxies(TRUSTED, header).reveal(environ)
    return through, environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("203.0.113.9, 192.0.2.1", "192.0.2.1"),  # the first one is what the client itself made up
        ("203.0.113.9, 192.0.2.1, 10.2.3.4", "192.0.2.1"),
        ("203.0.113.9,192.0.2.1 , 10.2.3.4,10.0.0.9", "192.0.2.1"),
        ("nonsense, 192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("192.0.2.1" + ", 10.2.3.4" * 19, "192.0.2.1"),
    ],
)
def test_who_it_is_stands_left_of_the_proxies(said: str, found: str) -> None:
    assert revealed("10.0.0.1", X_FORWARDED_FOR=said, X_FORWARDED_PROTO="https") == (True, found, "https")


@pytest.mark.parametrize(
    "said",
    ["", "nonsense", "192.0.2.1, nonsense", "unknown", "10.1.1.1", "1" * 100_000, "192.0.2.1" + ", 10.2.3.4" * 20],
)
def test_who_does_not_stand_there_is_the_proxy_itself(said: str) -> None:
    through, address, _ = revealed("10.0.0.1", X_FORWARDED_FOR=said)
    assert not through and address.startswith("10.")


def test_nobody_else_is_believed() -> None:
    made_up = {"X_FORWARDED_FOR": "192.0.2.1", "X_FORWARDED_PROTO": "https", "FORWARDED": "for=192.0.2.1;proto=https"}
    for header in ("X-Forwarded-For", "Forwarded"):
        assert revealed("203.0.113.7", header, **made_up) == (False, "203.0.113.7", "http")


def test_only_one_header_is_believed_since_a_client_may_send_the_other() -> None:
    both = {"X_FORWARDED_FOR": "192.0.2.1", "FORWARDED": "for=192.0.2.2;proto=https"}
    assert revealed("10.0.0.1", **both) == (True, "192.0.2.1", "http")
    assert revealed("10.0.0.1", "Forwarded", **both) == (True, "192.0.2.2", "https")


@pytest.mark.parametrize(
    ("said", "found", "scheme"),
    [
        ("for=192.0.2.1;proto=https", "192.0.2.1", "https"),
        ('For="[2001:db8::1]:4711"; Proto=HTTPS;by=10.0.0.1', "2001:db8::1", "https"),
        ("for=203.0.113.9;proto=http, for=192.0.2.1;proto=https", "192.0.2.1", "https"),
        ("for=192.0.2.1;proto=https, for=10.2.3.4;proto=http", "192.0.2.1", "https"),
        ("for=192.0.2.1, for=10.2.3.4;proto=https", "192.0.2.1", "https"),
        ('for="192.0.2.1";host="a,b;c"', "192.0.2.1", "http"),
        ("for=192.0.2.1;proto=gopher", "192.0.2.1", "http"),
    ],
)
def test_the_standard_header_says_the_same(said: str, found: str, scheme: str) -> None:
    assert revealed("10.0.0.1", "Forwarded", FORWARDED=said) == (True, found, scheme)


def test_a_proxy_that_hides_its_clients_still_says_how_they_came() -> None:
    assert revealed("10.0.0.1", "Forwarded", FORWARDED="for=_hidden;proto=https") == (False, "10.0.0.1", "https")
    assert revealed("10.0.0.1", X_FORWARDED_PROTO="https") == (False, "10.0.0.1", "https")


@pytest.mark.parametrize("said", ["https", "HTTPS", "http, https"])  # the first one is what the client itself made up
def test_the_nearest_proxy_says_how_it_was_asked(said: str) -> None:
    assert revealed("10.0.0.1", X_FORWARDED_FOR="192.0.2.1", X_FORWARDED_PROTO=said) == (True, "192.0.2.1", "https")


def test_the_port_of_a_proxy_is_not_taken_for_that_of_who_asks() -> None:
    environ = {"REMOTE_ADDR": "10.0.0.1", "REMOTE_PORT": "4711", "HTTP_X_FORWARDED_FOR": "192.0.2.1"}
    assert Proxies(TRUSTED, "X-Forwarded-For").reveal(environ) and environ["REMOTE_PORT"] == ""
