"""Who is in, over HTTP, for who runs the service: listed, ended, and kept out."""

from __future__ import annotations

from flask import Response

from rt_service.admission import Admission
from rt_service.core import names
from rt_service.core.errors import BadRequest
from rt_service.core.model import KINDS, Identity
from rt_service.gateways import http_types as types
from rt_service.gateways.http_requests import Requests, json, query
from rt_service.verbs import convert


class SessionsHttp:
    def __init__(self, requests: Requests, admission: Admission) -> None:
        self._requests = requests
        self._admission = admission

    def sessions(self) -> Response:
        asker, asked = self._requests.operator("sessions"), query(types.Finding)
        found, total = self._admission.sessions(asker, asked.filter, asked.limit)
        return json({"sessions": [talk.shown() for talk in found], "total": total})

    def kick(self, sid: str) -> Response:
        self._admission.kick(self._requests.operator("kick"), sid)
        return Response(status=204)

    def revoke(self) -> Response:
        asker = self._requests.operator("revoke")
        asked = convert("revoke", self._requests.object(), types.Revocation)
        kind, _, id = asked.of.partition(":")
        if kind not in (*KINDS, "token") or not names.is_name(id):
            raise BadRequest("`of` is user:<id>, device:<id>, service:<id> or token:<its jti>")
        if kind == "token":
            return json({"ended": self._admission.revoke(asker, token_id=id)})
        return json({"ended": self._admission.revoke(asker, Identity(kind, id))})
