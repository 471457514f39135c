"""Devices and their twins over HTTP."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from msgspec import UNSET

from rt_service.devices.registry import NAMESPACE, Devices
from rt_service.gateways import http_types as types
from rt_service.gateways.http_requests import Refused, Requests, json, query, tagged
from rt_service.gateways.operations import Stale

NS = NAMESPACE.removeprefix("/")


class DevicesHttp:
    def __init__(self, requests: Requests, devices: Devices) -> None:
        self._requests = requests
        self._devices = devices

    def devices(self) -> Response:
        self._requests.operator("look")
        asked = query(types.Finding)
        found = self._devices.known(asked.filter, asked.limit)
        return json({"devices": found, "total": self._devices.count(asked.filter)})

    def twin(self, device: str) -> Response:
        return _shown(self._requests.ask(NS, "twin", {"device": device}))

    def update_twin(self, device: str) -> Response:
        """`?version=` and `If-Match` say which twin is meant; where it is another one they are answered 409 and 412."""
        asked: dict[str, Any] = {"device": device, "desired": self._requests.object()}
        version, by_tag = query(types.TwinQuery).version, "If-Match" in request.headers
        if by_tag:
            matched = self._matched(device)
            version = matched if version is UNSET else version
        if version is not UNSET:
            asked["version"] = version
        try:
            return _shown(self._requests.ask(NS, "twin.update", asked))
        except Refused as refused:
            if by_tag and refused.error["code"] == Stale.code:
                refused.status = Stale.http_status
            raise

    def _matched(self, device: str) -> int:
        """The twin's version, which has to be one that the client means. Raises Stale."""
        version: int = self._requests.ask(NS, "twin", {"device": device})["version"]
        if not request.if_match.contains(str(version)):
            raise Stale(f'the twin is at version {version}, its ETag is "{version}"; read it again')
        return version


def _shown(twin: dict[str, Any]) -> Response:
    return tagged(json(twin), str(twin["version"]))
