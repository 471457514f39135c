"""What a request over HTTP says about who sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl


def of_request(environ: Mapping[str, Any]) -> dict[str, str]:
    """The query; its `token` is that of `Authorization: Bearer …` (RFC 6750) where there is one."""
    said = dict(parse_qsl(environ.get("QUERY_STRING", "")))
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        said["token"] = token.strip()
    return said
