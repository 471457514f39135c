"""Accounts, devices' secrets and what was evicted, in SQLite or PostgreSQL."""

from rt_service.store.database import CannotOpen, Database
from rt_service.store.sql import Store

__all__ = ["CannotOpen", "Database", "Store"]
