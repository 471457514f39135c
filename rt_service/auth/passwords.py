"""Passwords as Argon2id hashes (RFC 9106), made away from the loop and few at once."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from rt_service.core.turns import Turns

# One run takes a core for about 0.1 s. More lanes would only take it from the loop.
PASSES, MEMORY_KIB, LANES = 3, 65_536, 1
AT_ONCE = 2
WAITING = 20
WAIT_S = 10.0

Offload = Callable[..., Any]


class Passwords:
    """Each method but `outdated` raises TooManyRequests when too many wait for it."""

    def __init__(self, offload: Offload, turns: Turns, hasher: PasswordHasher | None = None) -> None:
        """`offload(function, *args)` runs a function where it holds nobody up."""
        self._offload = offload
        self._turns = turns
        self._hasher = hasher or PasswordHasher(PASSES, MEMORY_KIB, LANES)
        self._nobodys = _hash_of_nothing(self._hasher)

    def hash(self, password: str) -> str:
        with self._turns.turn():
            return str(self._offload(self._hasher.hash, password))

    def matches(self, hash: str | None, password: str) -> bool:
        """Whether `hash` is of this password. Without a hash: no, after the same time."""
        with self._turns.turn():
            return bool(self._offload(self._verify, hash or self._nobodys, password))

    def _verify(self, hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def outdated(self, hash: str) -> bool:
        """Whether it was made with other parameters than are used now."""
        return self._hasher.check_needs_rehash(hash)


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """A hash that no password has; comparing with it takes as long as with any other."""
    salt, digest = (b64encode(secrets.token_bytes(n)).decode().rstrip("=") for n in (hasher.salt_len, hasher.hash_len))
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"
