"""The service that this process is a client of: where it is, and how it is known."""

from __future__ import annotations

import ssl
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit


class Upstream(NamedTuple):
    """`certificate` is a file with the one that it has to show, whatever names stand in it: on this machine it is asked
    at another. Without, it needs one for its name that the system's CAs have signed.
    """

    url: str
    certificate: str = ""

    @property
    def parts(self) -> SplitResult:
        return urlsplit(self.url)

    def tls(self) -> ssl.SSLContext | None:
        """For a connection; None where it is without TLS. Raises OSError: the certificate cannot be read."""
        if self.parts.scheme != "https":
            return None
        if not self.certificate:
            return ssl.create_default_context()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(self.certificate)  # each time: it may have been renewed
        return context
