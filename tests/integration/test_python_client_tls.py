"""rt_client over TLS."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

import pytest

from rt_client import Client, RtError, tls
from tests.support.certificates import Authority
from tests.support.python_client import hears
from tests.support.raw_http import said
from tests.support.service import Service
from tests.support.waiting import eventually

CONNECTIONS, REQUESTS = 100, 20


@pytest.fixture
def nobody_is_trusted(secure: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """But whom a test names."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("nobody_is_trusted")
def test_an_authority_of_ones_own_is_trusted(secure: Service, authority: Authority) -> None:
    with Client(secure.http, user="alice", ca_file=str(authority.ca)) as alice:  # it polls first, then changes
        heard = hears(alice.join("vouched-for"))
        alice.join("vouched-for").publish("say", "hi")
        eventually(lambda: heard == ["hi"])


@pytest.mark.usefixtures("nobody_is_trusted")
def test_a_service_that_nobody_vouches_for_is_not_trusted(secure: Service, tmp_path: Path) -> None:
    for ca_file in (None, str(Authority(tmp_path).ca)):
        with pytest.raises(RtError, match="certificate verify failed") as refused:
            Client(secure.http, ca_file=ca_file).connect()
        assert refused.value.code == "unavailable"


@pytest.mark.parametrize("content", [None, "half of a certifi"])
def test_an_authority_that_cannot_be_read_is_said(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(RtError, match=f"ca_file {file}: ") as refused:
        Client("https://127.0.0.1:1", ca_file=str(file))
    assert refused.value.code == "bad_request"


def test_nothing_is_lost_where_one_thread_reads_while_another_writes(secure: Service) -> None:
    """From the first moment on: what a server says behind its handshake is what OpenSSL loses most."""
    for _ in range(CONNECTIONS):
        plain = socket.create_connection(("127.0.0.1", secure.port), timeout=30)
        with tls.context(None).wrap_socket(plain, server_hostname="127.0.0.1") as sock:
            sock.settimeout(None)
            heard = bytearray()
            reader = threading.Thread(target=read_all, args=(sock, heard), daemon=True)
            reader.start()
            for _ in range(REQUESTS):
                sock.sendall(said("GET", "/livez"))
            eventually(lambda heard=heard: heard.count(b" 200 OK") == REQUESTS)
            sock.shutdown(socket.SHUT_RDWR)
            reader.join(10)


def read_all(sock: socket.socket, heard: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := sock.recv(4096):
            heard += data
