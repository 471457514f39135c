"""Which pages may connect, and what they may read."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from rt_service.gateways.origins import Origins
from rt_service.metrics import Metrics

OWN = {"wsgi.url_scheme": "https", "HTTP_HOST": "rt.example"}
GAME = "https://game.example"


@pytest.fixture
def origins() -> Origins:
    return Origins([f"{GAME}/", "https://other.example"], Metrics())


@pytest.mark.parametrize(
    "origin",
    [
        None, "", "https://rt.example", GAME, "https://other.example", "http://localhost", "http://localhost:3000",
        "https://127.0.0.1:8443", "http://[::1]:8080",
    ],
)  # fmt: skip
def test_pages_of_this_service_of_this_machine_and_of_the_settings_may_connect(
    origins: Origins, origin: str | None
) -> None:
    assert origins(origin, OWN) and origins.admits(OWN | ({"HTTP_ORIGIN": origin} if origin else {}))


@pytest.mark.parametrize(
    "origin",
    [
        "null", "https://evil.example", "http://rt.example", "https://rt.example:444", "https://rt.example.evil",
        "https://xrt.example", "http://game.example", f"{GAME}:444", "http://localhost.evil.example",
        "http://xlocalhost", "http://127.0.0.1.evil.example", "file://localhost", "http://[::1", "http://[::2]",
        "http://localhost@evil.example",
    ],
)  # fmt: skip
def test_no_other_page_may(origins: Origins, origin: str) -> None:
    assert not origins(origin, OWN)
    assert dict(origins.headers(origin, OWN)) == {"Vary": "Origin"}


def test_a_page_of_the_same_name_has_to_be_of_the_same_scheme(origins: Origins) -> None:
    plain = {"wsgi.url_scheme": "http", "HTTP_HOST": "rt.example"}
    assert origins("http://rt.example", plain) and not origins("https://rt.example", plain)


def test_every_page_may_if_the_settings_say_so() -> None:
    origins = Origins(["*"], Metrics())
    assert origins("https://evil.example", OWN)
    assert dict(origins.headers("https://evil.example", OWN))["Access-Control-Allow-Origin"] == "https://evil.example"


def test_a_page_that_may_connect_may_read_and_no_cache_gives_its_answer_to_others(origins: Origins) -> None:
    assert dict(origins.headers(GAME, OWN)) == {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": GAME,
        "Access-Control-Expose-Headers": "ETag, Retry-After, Stream-Position, Stream-Recovered",
    }
    assert dict(origins.headers(None, OWN)) == {"Vary": "Origin"}


def test_a_page_is_told_all_that_the_service_takes(origins: Origins) -> None:
    told = dict(origins.preflight())
    assert told["Access-Control-Allow-Methods"] == "GET, HEAD, POST, PATCH, DELETE"
    assert "Authorization" in told["Access-Control-Allow-Headers"] and told["Access-Control-Max-Age"] == "600"


def test_a_page_that_may_not_is_counted_and_said_with_what_to_do() -> None:
    metrics = Metrics()
    origins = Origins([], metrics)
    environ: dict[str, Any] = {**OWN, "HTTP_ORIGIN": "https://" + "x" * 300}
    with capture_logs() as lines:
        assert not origins.admits(environ)
    (line,) = lines
    assert metrics.refused.labels("origin").value == 1
    assert len(line["origin"]) == 200 and "server.cors_allowed_origins" in line["help"]
