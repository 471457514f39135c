"""What is refused, as gRPC says it: a status code, and trailing metadata with the contract's own words."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, NoReturn

import orjson
from grpc import StatusCode
from grpc.aio import InternalError, ServicerContext

from rt_service import log
from rt_service.core.errors import ERRORS, Internal, RtError, Unavailable

STATUS = {
    "bad_request": StatusCode.INVALID_ARGUMENT,
    "invalid_room": StatusCode.INVALID_ARGUMENT,
    "invalid_event": StatusCode.INVALID_ARGUMENT,
    "invalid_data": StatusCode.INVALID_ARGUMENT,
    "unauthorized": StatusCode.UNAUTHENTICATED,
    "token_expired": StatusCode.UNAUTHENTICATED,
    "forbidden": StatusCode.PERMISSION_DENIED,
    "not_found": StatusCode.NOT_FOUND,
    "not_member": StatusCode.FAILED_PRECONDITION,
    "not_online": StatusCode.NOT_FOUND,
    "conflict": StatusCode.ABORTED,
    "too_large": StatusCode.RESOURCE_EXHAUSTED,
    "too_many_requests": StatusCode.RESOURCE_EXHAUSTED,
    "timeout": StatusCode.DEADLINE_EXCEEDED,
    "unavailable": StatusCode.UNAVAILABLE,
    "internal": StatusCode.INTERNAL,
    # why the service ends a session (`closing`)
    "shutdown": StatusCode.UNAVAILABLE,
    "slow": StatusCode.RESOURCE_EXHAUSTED,
    "kicked": StatusCode.PERMISSION_DENIED,
}
RETRY_MS = 1000

_log = log.get("grpc")


async def refuse(context: ServicerContext[Any, Any], error: RtError) -> NoReturn:
    """End an RPC with what `error` says."""
    metadata = [("rt-code", error.code)]
    if error.retry_after_ms is not None:
        metadata.append(("retry-after-ms", str(error.retry_after_ms)))
    try:
        await context.abort(STATUS.get(error.code, StatusCode.INTERNAL), error.message, tuple(metadata))
    except InternalError:
        raise asyncio.CancelledError from None  # its client has gone


def refusal(error: dict[str, Any]) -> RtError:
    """The contract's error object, as what it was before it became one."""
    kind = ERRORS.get(error.get("code", ""), Internal)
    return kind(str(error.get("message", "")), retry_after_ms=error.get("retry_after_ms"))


def answered(status: int, body: bytes | bytearray | None) -> RtError:
    """What a response says that is no success."""
    try:
        return refusal(orjson.loads(body or b"")["error"])
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        # Not the service itself, but something in between.
        return Unavailable(f"the service's address answers {status}", retry_after_ms=RETRY_MS)


def closed(code: str, message: str, retry_after_ms: int | None) -> RtError:
    """Why the service ended a session. A code may be none of the errors': `shutdown`, `slow`, `kicked`."""
    kind = ERRORS.get(code) or type("Closed", (RtError,), {"code": code})
    return kind(message, retry_after_ms=retry_after_ms or None)


def fault(error: Exception) -> RtError:
    """What should not have happened: the details go to the log, under a reference that the client gets."""
    reference = secrets.token_hex(4)
    _log.error("internal_error", reference=reference, exc_info=error)
    return Internal(f"something went wrong here; the reference is {reference}")


def unreachable() -> RtError:
    return Unavailable("the service cannot be reached; try again", retry_after_ms=RETRY_MS)
