"""Keys and tokens, as somebody else's login would make them: with PyJWT, not with ours."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

SECRET = "a-secret-of-at-least-32-bytes-for-tests"
PRIVATE: dict[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
LATER = int(time.time()) + 24 * 3600  # than the end of any run: many a token is made as its module is loaded


def claims(sub: str = "alice", **more: Any) -> dict[str, Any]:
    found = {"sub": sub, "exp": LATER, **more}
    return {name: value for name, value in found.items() if value is not None}


def make(sub: str = "alice", algorithm: str = "HS256", kid: str | None = None, key: Any = None, **more: Any) -> str:
    """A token; a claim that is given as None is left out."""
    key = key or (SECRET if algorithm == "HS256" else PRIVATE[algorithm])
    return jwt.encode(claims(sub, **more), key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def public_pem(algorithm: str) -> bytes:
    return bytes(
        PRIVATE[algorithm]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def jwk(algorithm: str, kid: str) -> dict[str, Any]:
    kinds = {
        "RS256": jwt.algorithms.RSAAlgorithm,
        "ES256": jwt.algorithms.ECAlgorithm,
        "EdDSA": jwt.algorithms.OKPAlgorithm,
    }
    found = json.loads(kinds[algorithm].to_jwk(PRIVATE[algorithm].public_key()))
    return {**found, "kid": kid, "alg": algorithm, "use": "sig"}


def write_jwks(path: Path, *keys: dict[str, Any]) -> None:
    """The file appears whole, as whoever rotates keys would do it."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"keys": list(keys)}))
    part.replace(path)
