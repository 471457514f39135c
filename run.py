"""Start rt-service: `python run.py` serves, `python run.py --help` says what else there is."""

import sys

MISSING = "{} is not installed: pip install -r requirements.txt, or `make run`, which does that too"


def main() -> int:
    try:
        from rt_service.runtime import patch

        patch()  # before anything else imports socket, ssl or logging
        from rt_service.cli import main as cli
    except ModuleNotFoundError as error:
        print(MISSING.format(error.name), file=sys.stderr)
        return 1
    return cli()


if __name__ == "__main__":
    sys.exit(main())
