"""Everything that can be refused, with the code a client sees (CONTRACT.md section 2) and its HTTP status.

Raised anywhere below a gateway, translated into an answer in exactly one place per gateway.
"""

from __future__ import annotations

from typing import Any


class RtError(Exception):
    """A refusal that may be told to a client. Its message is written for the client's developer."""

    code = "internal"
    http_status = 500

    def __init__(self, message: str = "", *, retry_after_ms: int | None = None) -> None:
        super().__init__(message or self.code.replace("_", " "))
        self.retry_after_ms = retry_after_ms

    @property
    def temporary(self) -> bool:
        """Whether the same may be tried again: something is down, or there is a time to wait."""
        return self.retry_after_ms is not None or self.http_status in (500, 503, 504)

    @property
    def message(self) -> str:
        return str(self.args[0])

    def as_dict(self) -> dict[str, Any]:
        """The contract's error object: `code`, `message` and, where it helps, `retry_after_ms`."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.retry_after_ms is not None:
            error["retry_after_ms"] = self.retry_after_ms
        return error


class BadRequest(RtError):
    code, http_status = "bad_request", 400


class InvalidRoom(BadRequest):
    code = "invalid_room"


class InvalidEvent(BadRequest):
    code = "invalid_event"


class InvalidData(BadRequest):
    code = "invalid_data"


class Unauthorized(RtError):
    code, http_status = "unauthorized", 401


class TokenExpired(Unauthorized):
    code = "token_expired"


class Forbidden(RtError):
    code, http_status = "forbidden", 403


class NotFound(RtError):
    code, http_status = "not_found", 404


class NotMember(NotFound):
    code = "not_member"


class NotOnline(NotFound):
    code = "not_online"


class Conflict(RtError):
    code, http_status = "conflict", 409


class TooLarge(RtError):
    code, http_status = "too_large", 413


class TooManyRequests(RtError):
    code, http_status = "too_many_requests", 429


class Unavailable(RtError):
    code, http_status = "unavailable", 503


class Timeout(RtError):
    code, http_status = "timeout", 504


class Internal(RtError):
    code, http_status = "internal", 500


ERRORS: dict[str, type[RtError]] = {
    error.code: error
    for error in (
        BadRequest, InvalidRoom, InvalidEvent, InvalidData, Unauthorized, TokenExpired, Forbidden, NotFound,
        NotMember, NotOnline, Conflict, TooLarge, TooManyRequests, Timeout, Unavailable, Internal,
    )
}  # fmt: skip
