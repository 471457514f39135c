"""What is kept, as tables. A change here needs a migration beside it (migrations/versions)."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, func

metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(128), primary_key=True),  # the name
    Column("password_hash", String(256), nullable=False),
    Column("role", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),  # Unix time in milliseconds, as everywhere
    Column("disabled", Boolean, nullable=False),
)
# `Alice` must not be mistaken for `alice`.
Index("accounts_name", func.lower(accounts.c.id), unique=True)

devices = Table(
    "devices",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("secret_hash", String(128), nullable=False),
    Column("grants", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled", Boolean, nullable=False),
)

# Numbers grow in the order in which evictions can be seen, so that whoever reads on from the last misses none.
evictions = Table(
    "evictions",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("id", String(128), nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
