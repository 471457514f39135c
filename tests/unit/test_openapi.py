"""The document at /openapi.json and what exists are the same."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rt_service import settings
from rt_service.core.errors import ERRORS
from rt_service.gateways.openapi import document
from rt_service.gateways.operations import OPERATIONS, Operation
from rt_service.service import Service
from tests.support.tools import need_package

DOCUMENT = document(["/chat", "/iot"])


def documented() -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}


def routed() -> set[tuple[str, str]]:
    service = Service(settings.load(overrides={"engine.url": "memory"}))
    return {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in service.app.url_map.iter_rules()
        if re.match("/api/|/livez$|/readyz$|/metrics$", rule.rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_every_route_is_documented_and_everything_documented_is_a_route() -> None:
    assert documented() == routed()


def test_it_is_openapi() -> None:
    need_package("openapi_spec_validator")
    from openapi_spec_validator import OpenAPIV31SpecValidator

    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_code_stands_in_it_with_its_status(code: str) -> None:
    assert code in DOCUMENT["components"]["schemas"]["Error"]["properties"]["code"]["enum"]
    where = [
        status
        for methods in DOCUMENT["paths"].values()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        if f"`{code}`" in response["description"]
    ]
    assert str(ERRORS[code].http_status) in where


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_every_operation_says_what_it_takes_and_answers(operation: Operation) -> None:
    shown = DOCUMENT["paths"][operation.path][operation.method.lower()]
    assert shown["operationId"] == operation.id and shown["summary"]
    named = {parameter["name"] for parameter in shown["parameters"] if parameter["in"] == "path"}
    assert named == set(operation.in_path)
    assert ("requestBody" in shown) == (operation.method in ("POST", "PATCH"))
    assert any(status.startswith("2") for status in shown["responses"])
    for response in shown["responses"].values():
        for body in response.get("content", {}).values():
            assert _resolved(body["schema"])


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.body is not None], ids=lambda operation: operation.id)
def test_every_body_has_an_example_that_fits(operation: Operation) -> None:
    need_package("jsonschema")
    import jsonschema

    content = DOCUMENT["paths"][operation.path][operation.method.lower()]["requestBody"]["content"]
    for body in content.values():
        assert body["examples"]
        for example in body["examples"].values():
            jsonschema.validate(example["value"], {**body["schema"], "components": DOCUMENT["components"]})


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    return DOCUMENT["components"]["schemas"][schema["$ref"].removeprefix("#/components/schemas/")]
