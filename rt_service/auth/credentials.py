"""What devices come in with: an id, and a secret that was made for it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from rt_service import log
from rt_service.auth.evictions import Eviction
from rt_service.auth.policy import check_verbs
from rt_service.auth.tokens import read_grants
from rt_service.core import names
from rt_service.core.errors import BadRequest, NotFound, TooManyRequests, Unauthorized, Unavailable
from rt_service.core.ports import Clock, Waiter

SECRET_BYTES = 32
SALT_BYTES = 12
PER_QUESTION = 100  # ids
WAITING = 20_000  # devices that wait to be let in
WAIT_S = 10.0

Grants = list[dict[str, list[str]]]


class Credential(NamedTuple):
    """`secret_hash` is what a password file of Mosquitto has after the name, `grants` are those of a token (CONTRACT.md
    section 6), `created_at` is Unix time in ms."""

    id: str
    secret_hash: str
    grants: Grants
    created_at: int
    disabled: bool = False


class CredentialStore(Protocol):
    """Every method raises Unavailable when it is down, and TooManyRequests when too many use it at once."""

    def add_credential(self, credential: Credential) -> None:
        """Raises Conflict when there is one of that id."""

    def credentials_of(self, ids: Sequence[str]) -> Mapping[str, Credential]:
        """Those there are."""

    def credentials(self) -> Sequence[Credential]:
        """All, by id."""

    def change_secret(self, id: str, hash: str) -> Eviction | None:
        """The eviction that goes with it; None when there is no such device."""

    def disable_device(self, id: str) -> Eviction | None:
        """The same."""

    def enable_device(self, id: str) -> bool:
        """Whether there is such a device."""


class Credentials:
    """Every method raises what the store raises."""

    def __init__(
        self,
        store: CredentialStore,
        clock: Clock,
        spawn: Callable[..., None],
        waiter: Callable[[], Waiter],
        evicted: Callable[[Eviction], None] = lambda eviction: None,
    ) -> None:
        """`spawn(function)` runs a function beside; `evicted` is told who must not keep what they have open."""
        self._store = store
        self._clock = clock
        self._spawn = spawn
        self._waiter = waiter
        self._evicted = evicted
        self._asked: list[tuple[str, Waiter]] = []
        self._asking = False
        self._log = log.get("credentials")

    def add(self, id: str, grants: Grants) -> str:
        """The secret, which nobody can be told again. Raises BadRequest, Conflict."""
        if not names.is_name(id) or not names.is_name(f"device:{id}"):
            raise BadRequest("a device's id is 1-121 of A-Za-z0-9_.:@-")
        secret = secrets.token_urlsafe(SECRET_BYTES)
        self._store.add_credential(Credential(id, _hash(secret.encode()), grants, self._clock.ms()))
        self._log.info("device_added", device=id)
        return secret

    def rotate(self, id: str) -> str:
        """Another secret; whoever is in with the old one is out. Raises NotFound."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        self._evict(id, self._store.change_secret(id, _hash(secret.encode())), "device_rotated")
        return secret

    def disable(self, id: str) -> None:
        """It does not come in any more, and is out. Raises NotFound."""
        self._evict(id, self._store.disable_device(id), "device_disabled")

    def enable(self, id: str) -> None:
        """Raises NotFound."""
        if not self._store.enable_device(id):
            raise _no_device(id)
        self._log.info("device_enabled", device=id)

    def all(self) -> Sequence[Credential]:
        """By id."""
        return self._store.credentials()

    def _evict(self, id: str, eviction: Eviction | None, event: str) -> None:
        if eviction is None:
            raise _no_device(id)
        self._log.info(event, device=id)
        self._evicted(eviction)

    # -- coming in

    def verify(self, id: str, secret: bytes) -> Grants:
        """What a device may that says it is `id`. Waits for the store.

        Raises:
            Unauthorized: there is no such device, or it has another secret, or it is disabled.
            TooManyRequests, Unavailable: it may come again.
        """
        found = self._found(id) if names.is_name(id) else None
        right = found is not None and hmac.compare_digest(found.secret_hash, _hash(secret, _salt(found.secret_hash)))
        if found is None or not right or found.disabled:
            raise Unauthorized("no such device, or not its secret")
        return found.grants

    def _found(self, id: str) -> Credential | None:
        """Devices that come at the same time are looked up together: thousands do after a restart."""
        if len(self._asked) >= WAITING:
            raise TooManyRequests("too many devices come in at once; try later", retry_after_ms=1000)
        mine = self._waiter()
        self._asked.append((id, mine))
        if not self._asking:
            self._asking = True
            self._spawn(self._ask)
        try:
            outcome: Any = mine.wait(WAIT_S)
        except TimeoutError:
            raise Unavailable("the device could not be looked up in time; try again", retry_after_ms=1000) from None
        if isinstance(outcome, Exception):
            raise outcome
        found: Credential | None = outcome
        return found

    def _ask(self) -> None:
        try:
            while self._asked:
                now, self._asked = self._asked[:PER_QUESTION], self._asked[PER_QUESTION:]
                try:
                    found: Any = self._store.credentials_of([id for id, _ in now])
                except Exception as error:  # noqa: BLE001  whoever waits for it raises it
                    found = error
                for id, waiter in now:
                    waiter.resolve(found if isinstance(found, Exception) else found.get(id))
        finally:
            self._asking = False


def _hash(secret: bytes, salt: bytes | None = None) -> str:
    """SHA-512, salted, as all versions of Mosquitto read it from their password files.

    Of 256 random bits nothing can be guessed however fast it is tried, so the hash need not be slow.
    """
    salt = salt or secrets.token_bytes(SALT_BYTES)
    digest = hashlib.sha512(secret + salt).digest()
    return f"$6${b64encode(salt).decode()}${b64encode(digest).decode()}"


def _salt(hash: str) -> bytes:
    return b64decode(hash.split("$")[2])


def grant(text: str) -> dict[str, list[str]]:
    """What `--grant '/chat:lobby,/iot:device:* join,publish'` says. Raises BadRequest."""
    rooms, _, verbs = text.strip().partition(" ")
    said = {"rooms": [r for r in rooms.split(",") if r], "verbs": [v for v in verbs.strip().split(",") if v]}
    if not said["rooms"] or not said["verbs"]:
        raise BadRequest(f"a grant is rooms and verbs, such as '/iot:device:* join,publish', not {text!r}")
    read_grants([said])
    check_verbs(said["verbs"])
    return said


def _no_device(id: str) -> NotFound:
    return NotFound(f"there is no device {id}" if names.is_name(id) else "there is no such device")
