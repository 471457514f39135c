"""Publications as rows and back."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from rt_service.core.model import Identity, Publication, PublicationClass


def publication(namespace: str, epoch: str, at: int, binary: int, body: str) -> Publication:
    """A publication out of a row of `publication` or `latest`."""
    read = orjson.loads(body)
    kept = read["offset"] is not None
    found = Publication(
        namespace,
        read["room"],
        read["event"],
        with_bytes(read["data"]) if binary else read["data"],
        Identity(read["from"]["kind"], read["from"]["id"]),
        read["id"],
        at,
        PublicationClass.KEPT if kept else PublicationClass.LATEST,
        read.get("key"),
        epoch=epoch,
        offset=read["offset"],
    )
    found.compact()
    return found


def with_bytes(value: Any) -> Any:
    """`value` with bytes again where `{"$base64": …}` stands for them."""
    if isinstance(value, dict):
        if value.keys() == {"$base64"}:
            return base64.b64decode(value["$base64"])
        return {name: with_bytes(one) for name, one in value.items()}
    return [with_bytes(one) for one in value] if isinstance(value, list) else value
