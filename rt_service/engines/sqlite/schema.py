"""The tables, and how a file of an earlier version becomes one of this version."""

from __future__ import annotations

# What `PRAGMA user_version` says. A new version appends to MIGRATIONS and never changes what stands there.
MIGRATIONS = [
    """
    CREATE TABLE room (
        id INTEGER PRIMARY KEY,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        epoch TEXT NOT NULL,
        offset INTEGER NOT NULL,   -- of the newest kept publication, also when that has left
        updated INTEGER NOT NULL,  -- Unix time in ms
        UNIQUE (namespace, name)
    );
    CREATE INDEX room_updated ON room (updated);
    CREATE TABLE publication (
        room INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        at INTEGER NOT NULL,
        binary INTEGER NOT NULL,   -- 1: {"$base64": …} inside data stands for bytes
        body TEXT NOT NULL,        -- the publication as clients see it
        PRIMARY KEY (room, offset)
    ) WITHOUT ROWID;
    CREATE TABLE latest (
        room INTEGER NOT NULL,
        key TEXT NOT NULL,
        at INTEGER NOT NULL,
        binary INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (room, key)
    ) WITHOUT ROWID;
    CREATE TABLE repeat (
        room INTEGER NOT NULL,
        sender TEXT NOT NULL,      -- kind:id
        token TEXT NOT NULL,
        "check" TEXT NOT NULL,
        offset INTEGER,            -- of the receipt
        at INTEGER NOT NULL,
        PRIMARY KEY (room, sender, token)
    ) WITHOUT ROWID;
    CREATE TABLE kept (
        shelf TEXT NOT NULL,
        key TEXT NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (shelf, key)
    ) WITHOUT ROWID;
    """,
]
VERSION = len(MIGRATIONS)
TABLES = {
    "room": ("id", "namespace", "name", "epoch", "offset", "updated"),
    "publication": ("room", "offset", "at", "binary", "body"),
    "latest": ("room", "key", "at", "binary", "body"),
    "repeat": ("room", "sender", "token", "check", "offset", "at"),
    "kept": ("shelf", "key", "value"),
}
