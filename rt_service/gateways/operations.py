"""Everything that can be asked over HTTP, in one table: the routes are made from it, and so is /openapi.json."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from flask import Blueprint, Flask
from msgspec import Meta, Struct

from rt_service import verbs
from rt_service.core.errors import (
    ERRORS,
    BadRequest,
    Conflict,
    Forbidden,
    Internal,
    InvalidData,
    InvalidEvent,
    InvalidRoom,
    NotFound,
    NotOnline,
    RtError,
    Timeout,
    TokenExpired,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from rt_service.gateways import http_answers as answers
from rt_service.gateways import http_types as types

JSON, MERGE_PATCH = "application/json", "application/merge-patch+json"
ROOM = "/api/v1/rooms/{ns}/{room}"
BATCH = 1000  # publications in one request
NOTHING: Mapping[str, Any] = {}  # an answer without a body

Errors = tuple[type[RtError], ...]
EVERYWHERE: Errors = (BadRequest, Forbidden, Internal, Unavailable)
VERBS: Errors = (Unauthorized, TokenExpired)
BODY: Errors = (InvalidData, TooLarge, Timeout)
RATE: Errors = (TooManyRequests,)


class Stale(Conflict):
    """The client's `If-Match` is not what is there now (RFC 9110 section 13.1.1); `?version=` is answered 409."""

    http_status = 412


@dataclass(frozen=True)
class Operation:
    """What one method of one path takes and answers. `id` is also the name of the method that answers it."""

    id: str
    method: str
    path: str
    tag: str
    summary: str
    answers: Mapping[int, Mapping[str, Any]]  # by status and media type, the type of the body
    raises: Errors = ()
    query: type[Struct] = types.Query
    headers: type[Struct] = types.Nothing
    body: Any = None
    media: tuple[str, ...] = (JSON,)  # of the body
    examples: Mapping[str, Any] = field(default_factory=dict)  # of bodies, by name
    answer_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def rule(self) -> str:
        """The path as Flask writes it."""
        return self.path.replace("{", "<").replace("}", ">")

    @property
    def in_path(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    @property
    def errors(self) -> list[type[RtError]]:
        """Every error that it may answer."""
        by_path = {
            "ns": (*VERBS, NotFound), "room": (InvalidRoom,), "device": (*VERBS, NotFound),
            "name": (NotFound,), "sid": (),
        }  # fmt: skip
        found = [*EVERYWHERE, *(BODY if self.body is not None else ()), *self.raises]
        for name in self.in_path:
            found += by_path[name]
        return list(dict.fromkeys(found))


def _json(kind: Any) -> dict[str, Any]:
    return {JSON: kind}


HELLO: dict[str, Any] = {"event": "say", "data": {"text": "hi"}}
ETAG = {"ETag": "changes with what is answered"}
OPERATIONS = (
    Operation(
        "publish", "POST", f"{ROOM}/publications", "Rooms", "Publish into a room: one publication, or a list",
        {201: _json(answers.Published), 200: _json(answers.Results)}, (InvalidEvent, *RATE),
        body=verbs.NewPublication | Annotated[list[verbs.NewPublication], Meta(max_length=BATCH)],
        examples={"one": HELLO, "a list": [HELLO, HELLO | {"class": "latest", "key": "last"}]},
    ),
    Operation(
        "history", "GET", f"{ROOM}/publications", "Rooms", "What was published, or what comes next",
        {200: _json(answers.History), 304: NOTHING}, query=types.HistoryQuery, headers=types.Fetching,
        answer_headers=ETAG,
    ),
    Operation(
        "stream", "GET", f"{ROOM}/stream", "Rooms", "Publications as they come, without an end",
        {200: {"text/event-stream": str, "application/x-ndjson": answers.Publication}}, RATE,
        query=types.StreamQuery, headers=types.Streaming,
        answer_headers={
            "Stream-Position": "`epoch:offset` where the stream begins",
            "Stream-Recovered": "whether everything after `since` is in it",
        },
    ),
    Operation("members", "GET", f"{ROOM}/members", "Rooms", "Who is in a room", {200: _json(answers.Members)}),
    Operation(
        "rooms", "GET", "/api/v1/rooms/{ns}", "Rooms", "The rooms of a namespace", {200: _json(answers.Rooms)},
        query=types.RoomsQuery,
    ),
    Operation(
        "send", "POST", "/api/v1/send", "Users and devices", "Send to every session of one user or device",
        {200: _json(answers.Delivered)}, (*VERBS, NotFound, NotOnline, InvalidEvent, *RATE), body=types.Send,
        examples={"to a device": {"ns": "iot", "to": "device:greenhouse-1", "event": "blink", "data": {"times": 3}}},
    ),
    Operation(
        "call", "POST", "/api/v1/calls", "Users and devices", "Ask a user or a device, and wait for the answer",
        {200: _json(answers.Answer)}, tuple(ERRORS.values()), body=types.Call,
        examples={"a device": {"ns": "iot", "to": "device:greenhouse-1", "method": "set", "data": {"c": 24}}},
    ),
    Operation(
        "devices", "GET", "/api/v1/devices", "Users and devices", "Every device that is known",
        {200: _json(answers.Devices)}, VERBS, query=types.Finding,
    ),
    Operation(
        "twin", "GET", "/api/v1/devices/{device}/twin", "Users and devices", "What a device should be, and is",
        {200: _json(answers.Twin), 304: NOTHING}, headers=types.Fetching,
        answer_headers={"ETag": "the twin's version"},
    ),
    Operation(
        "update_twin", "PATCH", "/api/v1/devices/{device}/twin", "Users and devices",
        "Change what a device should be: a merge patch (RFC 7396)",
        {200: _json(answers.Twin)}, (Conflict, Stale, InvalidRoom, *RATE), query=types.TwinQuery,
        headers=types.Patching, body=dict[str, Any], media=(MERGE_PATCH, JSON),
        examples={"warmer": {"c": 24}},
        answer_headers={"ETag": "the twin's new version"},
    ),
    Operation(
        "register_account", "POST", "/api/v1/accounts", "Accounts", "Register an account",
        {201: _json(answers.Account)}, (*VERBS, NotFound, Conflict, *RATE), query=types.Nothing, body=types.NewAccount,
        examples={"a user": {"name": "alice", "password": "correct horse"}},
    ),
    Operation(
        "log_in", "POST", "/api/v1/tokens", "Accounts", "Log in: a token for a name and a password",
        {200: _json(answers.LoggedIn)}, (Unauthorized, NotFound, *RATE), query=types.Nothing, body=types.LoggingIn,
        examples={"a user": {"name": "alice", "password": "correct horse"}},
    ),
    Operation(
        "change_password", "POST", "/api/v1/accounts/{name}/password", "Accounts",
        "Change a password, which ends what is open with the old one",
        {200: _json(answers.Account)}, (*VERBS, Conflict, *RATE), query=types.Nothing, body=types.NewPassword,
        examples={"one's own": {"password": "correct horse", "new": "battery staple"}},
    ),
    Operation(
        "dead_letters", "GET", "/api/v1/dead-letters", "Service", "What devices sent that meant nothing, newest first",
        {200: _json(answers.Letters)}, VERBS, query=types.LettersQuery,
    ),
    Operation(
        "sessions", "GET", "/api/v1/sessions", "Service", "Everybody who is in", {200: _json(answers.Sessions)}, VERBS,
        query=types.Finding,
    ),
    Operation(
        "kick", "DELETE", "/api/v1/sessions/{sid}", "Service", "End a session; its client may come again",
        {204: NOTHING}, (*VERBS, NotFound),
    ),
    Operation(
        "revoke", "POST", "/api/v1/revocations", "Service", "Take tokens back, and end what they opened",
        {200: _json(answers.Revoked)}, VERBS, body=types.Revocation,
        examples={"a user": {"of": "user:alice"}, "a token": {"of": "token:5f2c"}},
    ),
    Operation(
        "all_rooms", "GET", "/api/v1/rooms", "Service", "The rooms of every namespace, and how far they are",
        {200: _json(answers.AllRooms)}, VERBS, query=types.Finding,
    ),
    Operation(
        "explain", "POST", "/api/v1/routes/explain", "Service", "What a message on an MQTT topic becomes",
        {200: _json(answers.Explained)}, VERBS, query=types.Nothing, body=types.Explaining,
        examples={"a reading": {"topic": "devices/greenhouse-1/telemetry"}},
    ),
    Operation(
        "settings", "GET", "/api/v1/settings", "Service", "Every setting as it is in effect",
        {200: _json(answers.Effective)}, VERBS, query=types.Nothing,
    ),
    Operation("livez", "GET", "/livez", "Service", "Whether it runs", {200: _json(answers.Alive)}, query=types.Nothing),
    Operation(
        "readyz", "GET", "/readyz", "Service", "Whether all of it is well",
        {200: _json(answers.Ready), 503: _json(answers.Ready)}, query=types.Nothing,
    ),
    Operation(
        "metrics", "GET", "/metrics", "Service", "Metrics for Prometheus", {200: {"text/plain": str}}, VERBS,
    ),
)  # fmt: skip


def register(app: Flask | Blueprint, *hosts: object) -> None:
    """Route every operation to the method of its id, which one of `hosts` has."""
    for operation in OPERATIONS:
        (view,) = (getattr(host, operation.id) for host in hosts if hasattr(host, operation.id))
        app.add_url_rule(operation.rule, operation.id, view, methods=[operation.method])
