"""A table of a TOML file, read field by field: what is missing, wrong or unknown is said with where it stands."""

from __future__ import annotations

from typing import Any


class ScenarioError(ValueError):
    """A scenario that cannot be used; one line that says what, and where."""


class Table:
    """`where` is how the table is called in an error, such as `group pump: signal c`."""

    def __init__(self, values: Any, where: str) -> None:
        self.where = where
        if not isinstance(values, dict):
            raise self.wrong("a table is wanted here")
        self._values: dict[str, Any] = values
        self._read: set[str] = set()

    def wrong(self, message: str) -> ScenarioError:
        return ScenarioError(f"{self.where}: {message}")

    def number(self, key: str, default: float | None = None, least: float = -1e12, most: float = 1e12) -> float:
        """A number from `least` to `most`; it has to be there if there is no `default`."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            raise self.wrong(f"{key} has to be a number from {least:g} to {most:g}, not {value!r}")
        return float(value)

    def whole(self, key: str, default: int | None = None, least: int = 0, most: int = 1 << 31) -> int:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(f"{key} has to be a whole number from {least} to {most}, not {value!r}")
        return value

    def text(self, key: str) -> str:
        value = self._get(key, None)
        if not isinstance(value, str):
            raise self.wrong(f"{key} has to be text, not {value!r}")
        return value

    def tables(self, key: str, called: str) -> list[Table]:
        """The tables of an array of them, none if it is not there."""
        values = self._get(key, [])
        if not isinstance(values, list):
            raise self.wrong(f"{key} has to be written as [[{key}]]")
        return [Table(value, f"{self.where}: {called} {number}") for number, value in enumerate(values, 1)]

    def named(self, key: str, called: str) -> dict[str, Table]:
        """The tables in a table, by name."""
        inside = Table(self._get(key, {}), f"{self.where}: {key}")
        return {name: Table(value, f"{self.where}: {called} {name}") for name, value in inside._values.items()}

    def end(self) -> None:
        """Raises ScenarioError: there is something that nobody has read."""
        unknown = [key for key in self._values if key not in self._read]
        if unknown:
            known = ", ".join(sorted(self._read))
            raise self.wrong(f"there is no {unknown[0]} here; there is {known}")

    def _get(self, key: str, default: Any) -> Any:
        self._read.add(key)
        if key not in self._values and default is None:
            raise self.wrong(f"{key} is missing")
        return self._values.get(key, default)
