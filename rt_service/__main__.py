"""The `rt-service` command, and `python -m rt_service`."""

import sys

from rt_service.runtime import patch


def main() -> int:
    if sys.argv[1:2] not in (["grpc"], ["simulate"]):  # grpcio hangs where sockets are patched; devices have threads
        patch()  # before anything else imports socket, ssl or logging
    from rt_service.cli import main as cli

    return cli()


if __name__ == "__main__":
    sys.exit(main())
