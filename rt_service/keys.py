"""The keys that tokens are checked and signed with: from the settings, a JWKS file, or made on the first start."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from jwt.algorithms import get_default_algorithms

from rt_service import log
from rt_service.auth.tokens import ALGORITHMS, Key
from rt_service.core.ports import Clock

LOCAL = "local"  # the id of the key that is made here
SECRET_BYTES = 32  # the least that an HS256 secret has (RFC 7518 section 3.2)
JWKS_BYTES = 1 << 20
JWKS_KEYS = 100
LOOK_S = 1.0  # how often it is looked whether the JWKS file has changed


class CannotUse(Exception):
    """A key that cannot be used; one line for whoever starts the service."""


class Given(NamedTuple):
    """A key as the settings name it: `secret` for HS256, `file` (a PEM public or private key) for the others."""

    algorithm: str
    secret: str = ""
    file: str = ""


def from_settings(given: Mapping[str, Given]) -> list[Key]:
    """Raises CannotUse."""
    return [Key(id, key.algorithm, _loaded(id, key)) for id, key in given.items()]


def _loaded(id: str, given: Given) -> Any:
    material = given.secret
    if given.file:
        try:
            material = Path(given.file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise CannotUse(f"auth.keys.{id}: {given.file} cannot be read: {error}") from None
    if not material:
        raise CannotUse(f"auth.keys.{id}: give it a file" + (" or a secret" if given.algorithm == "HS256" else ""))
    if given.algorithm == "HS256" and len(material.strip().encode()) < SECRET_BYTES:
        raise CannotUse(f"auth.keys.{id}: a secret has at least {SECRET_BYTES} bytes")
    try:
        return get_default_algorithms()[given.algorithm].prepare_key(material.strip())
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise CannotUse(f"auth.keys.{id}: this is no key for {given.algorithm}: {error}") from None


def local(data_dir: Path) -> Key:
    """The service's own key, made when there is none. Nobody but its user may read it. Raises CannotUse."""
    path = data_dir / "token.key"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        try:
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(made, "w") as file:
                file.write(secrets.token_urlsafe(SECRET_BYTES))
        if path.stat().st_mode & 0o077:
            raise CannotUse(f"{path} can be read by others: chmod 600 {path}")
        return Key(LOCAL, "HS256", path.read_text().strip().encode())
    except OSError as error:
        raise CannotUse(f"{path}: {error.strerror}") from None


class Jwks:
    """The keys of a JWKS file (RFC 7517), which is read again when it has changed. A file that cannot be read changes
    nothing: the keys of before stay."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Raises CannotUse."""
        self._path = path
        self._clock = clock
        self._log = log.get("auth")
        self._looked = clock.monotonic()
        self._stamp = self._stamped()
        self._keys = self._read()

    def current(self) -> list[Key]:
        """What the file holds now."""
        now = self._clock.monotonic()
        if now - self._looked < LOOK_S:
            return self._keys
        self._looked = now
        try:
            stamp = self._stamped()
            if stamp != self._stamp:
                self._keys, self._stamp = self._read(), stamp
                self._log.info("jwks_read", file=str(self._path), keys=[key.id for key in self._keys])
        except CannotUse as error:
            self._log.error("jwks_unusable", error=str(error))
        return self._keys

    def _stamped(self) -> tuple[int, int, int]:
        try:
            stat = self._path.stat()
        except OSError as error:
            raise CannotUse(f"auth.jwks_file: {self._path} cannot be read: {error.strerror}") from None
        if stat.st_size > JWKS_BYTES:
            raise CannotUse(f"auth.jwks_file: {self._path} is larger than {JWKS_BYTES} bytes")
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _read(self) -> list[Key]:
        try:
            said = json.loads(self._path.read_text())
            found = said["keys"][:JWKS_KEYS]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CannotUse(f"auth.jwks_file: {self._path} is no JWKS: {error}") from None
        keys = [key for one in found if (key := _from_jwk(one)) is not None]
        if not keys:
            raise CannotUse(f"auth.jwks_file: {self._path} has no key for {', '.join(ALGORITHMS)}")
        return keys


def _from_jwk(said: Any) -> Key | None:
    """None for a key of a kind that is not used here."""
    try:
        jwk = jwt.PyJWK(said)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        return None
    if jwk.algorithm_name not in ALGORITHMS or said.get("use", "sig") != "sig":
        return None
    return Key(jwk.key_id or "", jwk.algorithm_name, jwk.key)
