"""rt-service with an issuer of tokens that it remembers by heart: `Service(program=…)` starts it.

Its log says whom it was told to end. It stands in until tokens are issued by the service itself.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from rt_service import runtime

runtime.patch()

from flask import request  # noqa: E402

from rt_service import __main__, log, service  # noqa: E402
from rt_service.core.errors import Unauthorized  # noqa: E402


class Issuer:
    def __init__(self):
        self.roles = {}

    def issue(self, sub, kind, role, ttl_s=None):
        token = f"token-{len(self.roles)}"
        self.roles[token] = role
        return token, time.time() + (ttl_s or 3600)

    def revoke_identity(self, kind, id):
        log.get("issuer").info("ended", kind=kind, id=id)

    def role(self):
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.roles:
            raise Unauthorized("a token is needed")
        return self.roles[token]


class WithIssuer(service.Service):
    def __init__(self, settings):
        issuer = Issuer()
        super().__init__(settings, issuer, issuer.role)


if __name__ == "__main__":
    service.Service = WithIssuer
    sys.exit(__main__.main())
