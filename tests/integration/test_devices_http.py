"""Device twins over HTTP: read, patched, and patched only if nobody was faster."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from tests.support.service import Service


def ask(
    service: Service, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, dict[str, Any] | None, str | None]:
    """Status, JSON body and ETag."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = {"Content-Type": "application/merge-patch+json"} if body is not None else {}
    connection.request(method, path, None if body is None else json.dumps(body), kind | sent)
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    return reply.status, json.loads(text) if text else None, reply.getheader("ETag")


def test_a_twin_is_read_and_patched(service: Service) -> None:
    path = "/api/v1/devices/http-lamp/twin"
    assert ask(service, "GET", path) == (200, {"desired": {}, "reported": {}, "version": 0}, '"0"')
    assert ask(service, "PATCH", path, {"on": True}) == (
        200,
        {"desired": {"on": True}, "reported": {}, "version": 1},
        '"1"',
    )
    status, answer, _ = ask(service, "PATCH", f"{path}?version=0", {"on": False})
    assert answer is not None and (status, answer["error"]["code"]) == (409, "conflict")
    assert ask(service, "PATCH", f"{path}?version=1", {"on": False})[0] == 200


def test_a_twin_that_did_not_change_is_not_sent_again(service: Service) -> None:
    path = "/api/v1/devices/http-tagged/twin"
    tag = ask(service, "GET", path)[2]
    assert tag is not None and ask(service, "GET", path, If_None_Match=tag) == (304, None, tag)
    ask(service, "PATCH", path, {"on": True})
    assert ask(service, "GET", path, If_None_Match=tag)[0] == 200


def test_a_twin_is_patched_only_if_it_is_the_one_that_was_read(service: Service) -> None:
    path = "/api/v1/devices/http-matched/twin"
    tag = ask(service, "GET", path)[2]
    assert tag is not None and ask(service, "PATCH", path, {"n": 1}, If_Match=tag)[0] == 200
    for stale in (tag, '"none"', 'W/"1"', '"7", "8"', "rubbish"):
        status, answer, _ = ask(service, "PATCH", path, {"n": 2}, If_Match=stale)
        assert answer is not None and (status, answer["error"]["code"]) == (412, "conflict"), stale
        assert '"1"' in answer["error"]["message"]
    assert ask(service, "PATCH", path, {"n": 3}, If_Match='"0", "1"')[0] == 200
    assert ask(service, "PATCH", path, {"n": 4}, If_Match="*")[2] == '"3"'


def test_a_twin_that_is_named_by_tag_and_version_has_to_be_both(service: Service) -> None:
    path = "/api/v1/devices/http-both/twin"
    assert ask(service, "PATCH", f"{path}?version=0", {"n": 1}, If_Match='"0"')[2] == '"1"'
    assert ask(service, "PATCH", f"{path}?version=0", {"n": 2}, If_Match='"1"')[0] == 412
    assert ask(service, "PATCH", f"{path}?version=1", {"n": 2}, If_Match='"0"')[0] == 412
    assert ask(service, "GET", path)[2] == '"1"'


@pytest.mark.parametrize("version", ["x", "1.5", "", "1e400"])
def test_a_version_that_is_none_is_refused(service: Service, version: str) -> None:
    status, answer, _ = ask(service, "PATCH", f"/api/v1/devices/http-v/twin?version={version}", {})
    assert answer is not None and (status, answer["error"]["code"]) == (400, "bad_request")
