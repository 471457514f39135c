"""Start rt-service: `python run.py` serves, `python run.py --help` says what else there is."""

import sys

WANTED = (3, 11)


def main():
    if sys.version_info < WANTED:
        have = ".".join(map(str, sys.version_info[:3]))
        sys.exit("rt-service needs Python 3.11 or later; this is " + have + ": make run PYTHON=python3.12")
    try:
        from rt_service.__main__ import main as rt_service

        return rt_service()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("rt_service"):
            raise
        print(error.name + " is not installed: pip install -r requirements.txt, or `make run`", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
