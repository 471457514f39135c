"""Both ports as the settings want them: sockets, certificates, and what stands in front of requests."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from rt_service import runtime
from rt_service.core.ports import Clock
from rt_service.gateways import certificates
from rt_service.gateways.acceptor import Acceptor
from rt_service.gateways.addresses import Addresses, Networks, parsed
from rt_service.gateways.certificates import Certificates, files_of
from rt_service.gateways.engineio.protocol import Deadlines
from rt_service.gateways.gate import Gate
from rt_service.gateways.hosts import Hosts
from rt_service.gateways.listener import Listener
from rt_service.gateways.proxies import Proxies
from rt_service.metrics import Metrics
from rt_service.settings import Settings, SettingsError


class Front:
    def __init__(self, settings: Settings, metrics: Metrics, clock: Clock) -> None:
        """`settings` were checked."""
        limits = settings.limits
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._proxies = Networks(settings.server.proxies)
        self._addresses = Addresses(limits.connections_per_address, limits.connects_per_s, limits.connect_burst, clock)

    def http(self, sock: socket.socket, app: Any) -> Listener:
        """Requests to `app`, a WSGI application. Raises SettingsError where the certificate cannot be used."""
        server = self._settings.server
        proxies = Proxies(self._proxies, server.proxy_header)
        own = [] if parsed(server.host) else [server.host]
        gate = Gate(app, Hosts([*own, *server.hosts]), proxies, self._addresses, self._metrics)
        acceptor = self._acceptor("server", sock, server.max_connections)
        deadlines = Deadlines(server.headers_s, server.body_s, server.keepalive_s)
        return Listener(acceptor, sock, gate, self._metrics, deadlines)

    def mqtt(self, sock: socket.socket) -> Acceptor:
        """What the embedded broker gets connections from. Raises SettingsError."""
        return self._acceptor("mqtt", sock, self._settings.mqtt.max_connections)

    def http_url(self, sock: socket.socket) -> str:
        return _url("https" if files_of(self._settings, "server") else "http", sock)

    def mqtt_url(self, sock: socket.socket) -> str:
        return _url("mqtts" if files_of(self._settings, "mqtt") else "mqtt", sock)

    def _acceptor(self, section: str, sock: socket.socket, most: int) -> Acceptor:
        files = files_of(self._settings, section)
        own = Certificates(section, files, self._clock.monotonic) if files else None
        handshake_s = self._settings.server.headers_s
        return Acceptor(section, sock, most, self._addresses, self._proxies, self._metrics, own, handshake_s)


def check(settings: Settings) -> None:
    """Raises SettingsError where one of both ports cannot be as they say."""
    server = settings.server
    for name, make, values in (("hosts", Hosts, server.hosts), ("proxies", Networks, server.proxies)):
        try:
            make(values)
        except ValueError as error:
            raise SettingsError(f"server.{name}: {error}") from None
    if settings.mqtt.ca_file and not files_of(settings, "mqtt"):
        raise SettingsError("mqtt.ca_file: without mqtt.cert_file nobody is asked for a certificate")
    if settings.mqtt.ca_file and settings.simulate.devices and not settings.bridge.url:
        raise SettingsError("simulate.devices: they have no certificates, which mqtt.ca_file asks for")
    if settings.simulate.devices and settings.auth.mode == "token" and not settings.bridge.url:
        raise SettingsError(
            "simulate.devices: they have no secrets, which token mode asks for; leave one of the two out"
        )
    for section in ("server", "mqtt", "grpc"):
        if getattr(settings, section).key_file and not getattr(settings, section).cert_file:
            raise SettingsError(f"{section}.key_file: it is the key of no certificate; set {section}.cert_file too")
        if files := files_of(settings, section):
            certificates.read(section, files)


def listen(section: str, host: str, port: int, backlog: int) -> socket.socket:
    """Raises SettingsError where the port cannot be had."""
    try:
        return runtime.listen(host, port, backlog)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            flag = "--port" if section == "server" else f"--{section}-port"
            help = f"{host}:{port} is in use; stop what uses it, or start with {flag} {port + 1} (0: a free one)"
            raise SettingsError(f"{section}.port: {help}") from None
        number = error.errno or 0  # below 0: there is no host of that name
        why = os.strerror(number) if number > 0 else error.strerror or str(error)
        raise SettingsError(f"{section}.port: cannot listen on {host}:{port}: {why.lower()}") from None


def _url(scheme: str, sock: socket.socket) -> str:
    host, port, *_ = sock.getsockname()
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
