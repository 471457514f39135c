"""rt-service with short deadlines for requests, and paths that fail: `Service(program=…)` starts it.

`/fails` fails in Flask; `/fails-outside` in front of it, as a fault in a WebSocket gateway would. `/folder/`, `/large`
(20 MB), `/endless` and `/reads` (what it was sent) are routes that an application adds. Where half a second is too
short, PATIENCE_S in the environment says how long the deadlines are.
"""

import itertools
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from rt_service import runtime

runtime.patch()

import flask  # noqa: E402

from rt_service import __main__, service  # noqa: E402
from rt_service.gateways.engineio import body, protocol  # noqa: E402

patience_s = float(os.environ.get("PATIENCE_S", "0.5"))
protocol.ANSWER_S = protocol.LINGER_S = body.DISCARD_S = patience_s
protocol.ANSWER_BYTES_PER_S = 10_000_000
patient = ["--set", f"server.headers_s={patience_s}", "--set", f"server.body_s={patience_s}"]
sys.argv[1:1] = patient  # in front: what a test sets wins


class Impatient(service.Service):
    def __init__(self, settings):
        super().__init__(settings)
        self.app.add_url_rule("/fails", "fails", lambda: {}["/secret/path"])
        self.app.add_url_rule("/folder/", "folder", lambda: "inside")
        self.app.add_url_rule("/large", "large", lambda: b"x" * 20_000_000)
        self.app.add_url_rule("/endless", "endless", lambda: flask.Response(b"x" * 65_536 for _ in itertools.count()))
        self.app.add_url_rule("/reads", "reads", lambda: flask.request.get_data(), methods=["POST"])
        inner = self.app.wsgi_app
        self.app.wsgi_app = lambda environ, start_response: (
            {}["/secret/path"] if environ["PATH_INFO"] == "/fails-outside" else inner(environ, start_response)
        )


if __name__ == "__main__":
    service.Service = Impatient
    sys.exit(__main__.main())
