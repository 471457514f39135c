"""A TLS client that has new keys all the time, which no library offers: OpenSSL, as Python was built with it.

As a program of its own it does that at an address for some seconds, and prints how many it sent.
"""

from __future__ import annotations

import _ssl
import ctypes
import socket
import sys
import time

EVERY = 50
PACE_S = 10.0  # for the other side to take something
OPENSSL = ctypes.CDLL(_ssl.__file__)
for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
    getattr(OPENSSL, name).restype = ctypes.c_void_p


def flood(host: str, port: int, seconds: float, first: bytes, said: bytes) -> int:
    """How many keys were sent behind `first`, until the other side ended it or the time was over; `said` comes after
    each `EVERY` of them."""
    with socket.create_connection((host, port), timeout=PACE_S) as sock:
        sock.setblocking(True)
        context = OPENSSL.SSL_CTX_new(ctypes.c_void_p(OPENSSL.TLS_client_method()))
        tls = ctypes.c_void_p(OPENSSL.SSL_new(ctypes.c_void_p(context)))
        OPENSSL.SSL_set_fd(tls, sock.fileno())
        assert OPENSSL.SSL_connect(tls) == 1
        sent, until = 0, time.monotonic() + seconds
        if first:
            OPENSSL.SSL_write(tls, first, len(first))
        while time.monotonic() < until:
            OPENSSL.SSL_key_update(tls, 0)
            if OPENSSL.SSL_do_handshake(tls) != 1:
                break
            sent += 1
            if said and not sent % EVERY and OPENSSL.SSL_write(tls, said, len(said)) != len(said):
                break
        return sent


if __name__ == "__main__":
    where, seconds, first, said = sys.argv[1:]
    host, _, port = where.rpartition(":")
    print(flood(host, int(port), float(seconds), bytes.fromhex(first), bytes.fromhex(said)))
