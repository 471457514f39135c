"""The OpenAPI 3.1 document of the HTTP API, made from the table of operations and the types that they name."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from rt_service import verbs
from rt_service.core.errors import RtError
from rt_service.gateways import http_answers
from rt_service.gateways.operations import JSON, OPERATIONS, Operation
from rt_service.version import __version__

Schema = dict[str, Any]
_REF = "#/components/schemas/{name}"
_DESCRIPTION = (
    "Rooms that browsers, games and devices share, over plain HTTP. A namespace stands without its slash. "
    "Every error is `{error: {code, message}}`. docs/protocol.md says what publications, positions and twins are."
)


def document(namespaces: Sequence[str]) -> Schema:
    """The whole document, for a service with these namespaces."""
    named = {
        "ns": _namespace(namespaces), "room": verbs.RoomName, "device": verbs.DeviceId, "name": verbs.AccountName,
        "sid": str,
    }  # fmt: skip
    paths: Schema = {}
    for operation in OPERATIONS:
        in_path = [_parameter("path", name, _schema(named[name])) for name in operation.in_path]
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, in_path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "rt-service", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(operation.tag for operation in OPERATIONS)],
        "paths": paths,
        "security": [{}, {"token": []}],  # with none where the service is open
        "components": {"schemas": _components(), "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _namespace(namespaces: Sequence[str]) -> Any:
    return Annotated[str, Meta(extra_json_schema={"enum": [name.removeprefix("/") for name in namespaces]})]


def _operation(operation: Operation, in_path: list[Schema]) -> Schema:
    shown = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [
            *in_path, *_parameters("query", operation.query), *_parameters("header", operation.headers)
        ],
        "responses": _responses(operation),
    }  # fmt: skip
    if operation.body is not None:
        content = _content(dict.fromkeys(operation.media, operation.body))
        for body in content.values():
            body["examples"] = {name: {"value": value} for name, value in operation.examples.items()}
        shown["requestBody"] = {"required": True, "content": content}
    return shown


def _parameters(place: str, kind: type[Struct]) -> list[Schema]:
    schemas = msgspec.json.schema_components([kind])[1][kind.__name__]["properties"]
    return [_parameter(place, name, schema) for name, schema in schemas.items()]


def _parameter(place: str, name: str, schema: Schema) -> Schema:
    about = {"description": schema.pop("description")} if "description" in schema else {}
    if "examples" in schema:
        about["example"] = schema.pop("examples")[0]
    return {"name": name, "in": place, "required": place == "path", **about, "schema": schema}


def _responses(operation: Operation) -> Schema:
    """By status; one status may be an answer and an error as well."""
    by_status: dict[int, list[type[RtError]]] = {}
    for error in operation.errors:
        by_status.setdefault(error.http_status, []).append(error)
    responses: Schema = {}
    for status in sorted({*operation.answers, *by_status}):
        content = _content(operation.answers.get(status, {}))
        errors = by_status.get(status, [])
        if errors:
            kinds = [answer["schema"] for answer in content.values()] + [_schema(http_answers.Failure)]
            content = {JSON: {"schema": {"anyOf": kinds} if len(kinds) > 1 else kinds[0]}}
        codes = ", ".join(f"`{error.code}`" for error in errors)
        response: Schema = {"description": codes or HTTPStatus(status).phrase}
        headers = operation.answer_headers if status in (200, 201, 304) else _RETRY if status in (429, 503) else {}
        if headers:
            response["headers"] = {name: _header(text) for name, text in headers.items()}
        if content:
            response["content"] = content
        responses[str(status)] = response
    return responses


_RETRY = {"Retry-After": "seconds to wait, where that is known"}


def _header(text: str) -> Schema:
    return {"description": text, "schema": {"type": "string"}}


def _content(bodies: Any) -> Schema:
    return {media: {"schema": _schema(kind)} for media, kind in bodies.items()}


def _schema(kind: Any) -> Schema:
    ((schema,), _) = msgspec.json.schema_components([kind], ref_template=_REF)
    return schema


def _components() -> Schema:
    bodies = [operation.body for operation in OPERATIONS if operation.body is not None]
    answers = [
        kind for operation in OPERATIONS for by_media in operation.answers.values() for kind in by_media.values()
    ]
    return msgspec.json.schema_components([*bodies, *answers, http_answers.Failure], ref_template=_REF)[1]
