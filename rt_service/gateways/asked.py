"""A verb, asked by somebody who waits for its answer."""

from __future__ import annotations

from typing import Any

from rt_service import runtime
from rt_service.api import Answer, Api
from rt_service.core.errors import ERRORS, RtError, Unavailable
from rt_service.core.ports import Receipt
from rt_service.core.session import Session
from rt_service.verbs import Publish, convert

PUBLISH_S = 30.0  # for a publication to be kept


def answer(api: Api, session: Session, verb: str, request: Any) -> Answer:
    """What the verb answers, also where it refuses."""
    answers: list[Answer] = []
    there = runtime.Waiter()

    def reply(answer: Answer) -> None:
        answers.append(answer)
        there.resolve()

    api.answer(session, verb, request, reply)
    there.wait(None)
    return answers[0]


def ask(api: Api, session: Session, verb: str, request: Any) -> Answer:
    """What the verb answers, without `ok`. Raises RtError where it refuses."""
    said = answer(api, session, verb, request)
    if said["ok"]:
        return {name: value for name, value in said.items() if name != "ok"}
    error = said["error"]
    raise ERRORS[error["code"]](error["message"], retry_after_ms=error.get("retry_after_ms"))


def publish(api: Api, session: Session, request: Any) -> Answer:
    """Publish without being a member; `id`, `epoch` and `offset`. Raises RtError where it is refused."""
    publication = api.publishing.made(session, convert("publish", request, Publish))
    kept = runtime.Waiter()
    api.publishing.keep(publication, kept.resolve)
    try:
        receipt: Receipt | RtError = kept.wait(PUBLISH_S)
    except TimeoutError:
        raise Unavailable(f"not kept within {PUBLISH_S:g} s", retry_after_ms=1000) from None
    if isinstance(receipt, RtError):
        raise receipt
    return {"id": publication.id, "epoch": receipt.epoch, "offset": receipt.offset}
