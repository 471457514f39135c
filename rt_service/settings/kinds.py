"""What settings are made of: the kinds of value that several of them share."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _namespace(value: str) -> str:
    if not value.startswith("/") or not value[1:].replace("-", "").replace("_", "").isalnum():
        raise ValueError("a namespace is / followed by letters, digits, - and _")
    return value


Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]
Namespace = Annotated[str, AfterValidator(_namespace)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
