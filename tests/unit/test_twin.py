"""Device twins: two documents, patched, with a version."""

from __future__ import annotations

from typing import Any

import pytest

from rt_service.core.model import Identity, known_as
from rt_service.devices.twin import difference, merged
from tests.support.core import Core

# RFC 7396, appendix A
EXAMPLES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("document", "patch", "result"), EXAMPLES)
def test_a_merge_patch_does_what_the_rfc_says(document: Any, patch: Any, result: Any) -> None:
    assert merged(document, patch) == result


def test_only_what_changes_is_told() -> None:
    document = {"a": 1, "b": {"c": 2, "d": 3}}
    assert difference(document, {"a": 1, "b": {"c": 2, "d": 4}, "e": None}) == {"b": {"d": 4}}


def test_a_twin_is_read_patched_and_told_to_the_room() -> None:
    core = Core()
    page = core.client("page", namespace="/iot")
    page.ok("join", room="device:lamp")
    assert page.ok("twin", device="lamp") == {"ok": True, "desired": {}, "reported": {}, "version": 0}
    assert page.ok("twin.update", device="lamp", desired={"on": True, "level": 3})["version"] == 1
    answer = page.ok("twin.update", device="lamp", desired={"level": None}, version=1)
    assert (answer["desired"], answer["version"]) == ({"on": True}, 2)
    told = [p["data"] for p in page.publications if p["event"] == "twin"]
    assert told[-1] == {"desired": {"on": True}, "reported": {}, "version": 2, "delta": {"desired": {"level": None}}}
    late = {p["key"]: p["data"] for p in core.client(namespace="/iot").ok("join", room="device:lamp")["latest"]}
    assert late["twin"]["version"] == 2 and late["twin.desired"] == {"desired": {"on": True}, "version": 2}


def test_an_update_of_what_has_changed_since_is_refused() -> None:
    core = Core()
    page = core.client("page")
    page.ok("twin.update", device="lamp", desired={"on": True})
    core.api.twins.change(lambda change: None, known_as(Identity("device", "lamp")), "lamp", "reported", {"on": False})
    assert page.refused("twin.update", device="lamp", desired={"on": False}, version=1) == "conflict"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"device": "lamp", "desired": [1]}, "bad_request"),
        ({"device": "a/b", "desired": {}}, "bad_request"),
        ({"device": "lamp", "desired": {"x": "y" * 70_000}}, "too_large"),
        ({"device": "lamp"}, "bad_request"),
    ],
)
def test_a_patch_that_cannot_be_is_refused(request_: dict[str, Any], code: str) -> None:
    assert Core().client("page").refused("twin.update", **request_) == code


def test_a_patch_that_changes_nothing_is_no_news() -> None:
    core = Core()
    page = core.client("page", namespace="/iot")
    page.ok("join", room="device:lamp")
    page.ok("twin.update", device="lamp", desired={"on": True})
    seen = len(page.publications)
    assert page.ok("twin.update", device="lamp", desired={"on": True})["version"] == 1
    assert len(page.publications) == seen
