"""TLS on the port for gRPC, with a certificate that is renewed without a restart as on the other ports."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import Any

import grpc

from rt_service.gateways.certificates import Certificates, Files


class Credentials:
    """gRPC asks for them at each connection, in a thread of its own."""

    def __init__(self, files: Files) -> None:
        """Raises SettingsError where they cannot be used."""
        self._files = files
        self._certificates = Certificates("grpc", files, time.monotonic)
        self._context: ssl.SSLContext | None = None

    def for_server(self) -> grpc.ServerCredentials:
        return grpc.dynamic_ssl_server_credentials(self._read(), self._changed, require_client_authentication=False)

    def _changed(self) -> Any:
        """A grpc.ServerCertificateConfiguration; None stands for the one before."""
        return None if self._certificates.context() is self._context else self._read()

    def _read(self) -> grpc.ServerCertificateConfiguration:
        self._context = self._certificates.context()
        key = Path(self._files.key or self._files.certificate).read_bytes()
        return grpc.ssl_server_certificate_configuration([(key, Path(self._files.certificate).read_bytes())])
