from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.service import Service


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    """Signs certificates that every client library takes for valid."""
    folder: Path = tmp_path_factory.mktemp("authority")
    found = Authority(folder)
    with pytest.MonkeyPatch.context() as environment:
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
            environment.setenv(name, str(found.ca))
        yield found


@pytest.fixture(scope="module")
def secure(authority: Authority) -> Iterator[Service]:
    """A service with TLS on both ports."""
    certificate, key = authority.issue("service")
    more = ("--set", "socketio.ping_interval_s=1", "--set", "server.hosts=rt.example")
    with Service(*more, *tls_settings(certificate, key)) as running:
        yield running


def tls_settings(certificate: Path, key: Path, section: str = "server") -> list[str]:
    return ["--set", f"{section}.cert_file={certificate}", "--set", f"{section}.key_file={key}"]
