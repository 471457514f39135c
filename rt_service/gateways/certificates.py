"""The certificate of a port with TLS. It is read again when its files change, so that renewing it needs no restart."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from typing import NamedTuple

from rt_service import log
from rt_service.settings import Settings, SettingsError

LOOK_S = 1.0  # between looks at the files


class Files(NamedTuple):
    """`key` may be empty where it stands in `certificate`; with a `ca` clients need a certificate that it signed."""

    certificate: str
    key: str = ""
    ca: str = ""


class Certificates:
    def __init__(self, section: str, files: Files, monotonic: Callable[[], float]) -> None:
        """Raises SettingsError where they cannot be used; `section` is that of the settings."""
        self._section = section
        self._files = files
        self._monotonic = monotonic
        self._log = log.get("tls")
        self._seen = self._stamps()
        self._look_at = monotonic() + LOOK_S
        self._context = read(section, files)

    def context(self) -> ssl.SSLContext:
        """What the next handshake is done with: the files as they are, or as they were when they could be used."""
        now = self._monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            seen = self._stamps()
            if seen != self._seen:
                self._seen = seen
                self._read_again()
        return self._context

    def _read_again(self) -> None:
        try:
            self._context = read(self._section, self._files)
        except SettingsError as error:
            self._log.error("certificate_unusable", error=str(error), help="the one before stays in use")
        else:
            self._log.info("certificate_changed", file=self._files.certificate)

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for path in self._files if path]


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def files_of(settings: Settings, section: str) -> Files | None:
    """Of the certificate of a port: its own, or that of the HTTP port; None without TLS."""
    server = Files(settings.server.cert_file, settings.server.key_file)
    own = {
        "server": server,
        "mqtt": Files(settings.mqtt.cert_file, settings.mqtt.key_file),
        "grpc": Files(settings.grpc.cert_file, settings.grpc.key_file),
    }[section]
    found = own if own.certificate else server
    if not found.certificate:
        return None
    return found._replace(ca=settings.mqtt.ca_file) if section == "mqtt" else found


def read(section: str, files: Files) -> ssl.SSLContext:
    """Raises SettingsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    key = files.key or files.certificate
    try:
        for name, path in zip(("cert_file", "key_file", "ca_file"), (files.certificate, key, files.ca), strict=True):
            if path:
                _check_readable(f"{section}.{name}", path)
        context.load_cert_chain(files.certificate, key, password=_no_password)
        if files.ca:
            context.load_verify_locations(files.ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (ssl.SSLError, ValueError) as error:
        pair = (
            f"{files.certificate} with {key}" if files.key else f"{files.certificate} (there is no {section}.key_file)"
        )
        raise SettingsError(f"{section}.cert_file: {pair}: {_why(error)}") from None
    return context


def _check_readable(name: str, path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise SettingsError(f"{name}: {path}: {(error.strerror or str(error)).lower()}") from None


def _no_password() -> str:
    """What is asked for a key that has one; else it would be asked for on the terminal, where nobody is."""
    raise ValueError("the key has a password; take it off with `openssl pkey`")


def _why(error: Exception) -> str:
    text = f"{getattr(error, 'reason', '')} {error}".replace("_", " ").upper()
    if "PEM LIB" in text or "NO START LINE" in text:
        return "one of them is no PEM file, or not with a certificate and a private key"
    if "KEY VALUES MISMATCH" in text:
        return "the key is that of another certificate"
    return str(error)
