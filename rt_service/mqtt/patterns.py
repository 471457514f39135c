"""Patterns with placeholders, such as `devices/{id}/telemetry`: read names out of a text, or write names into it."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_ANYTHING = "#"


class PatternError(ValueError):
    """The pattern itself makes no sense; the message says why."""


class Pattern:
    """A placeholder stands for one or more characters other than `/`; as a topic it may end in `/#`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.placeholders = tuple(_PLACEHOLDER.findall(text))
        literals = _PLACEHOLDER.split(text)[::2]
        if any(sign in part for part in literals for sign in "{}+"):
            raise PatternError(f"{text!r}: a placeholder is {{name}} in lower case; + stands for itself nowhere")
        if _ANYTHING in "".join(literals).removesuffix("/#"):
            raise PatternError(f"{text!r}: # may stand only at the end, after a /")
        if len(set(self.placeholders)) != len(self.placeholders):
            raise PatternError(f"{text!r}: a placeholder stands twice")
        fixed = text.removesuffix("/#")
        expression = "".join(
            f"(?P<{part}>[^/]+)" if i % 2 else re.escape(part) for i, part in enumerate(_PLACEHOLDER.split(fixed))
        )
        self._expression = re.compile(expression + ("(?:/.*)?" if fixed != text else ""), re.DOTALL)

    @property
    def filter(self) -> str:
        """The MQTT topic filter that covers every topic of this pattern."""
        return self.filter_for({})

    def read(self, text: str) -> dict[str, str] | None:
        """The names in `text`, or None if it is not of this pattern."""
        found = self._expression.fullmatch(text)
        return found.groupdict() if found else None

    def filter_for(self, names: Mapping[str, str]) -> str:
        """The MQTT topic filter that covers every topic of this pattern in which these names stand."""
        text = _PLACEHOLDER.sub(lambda found: names.get(found[1], found[0]), self.text)
        return "/".join("+" if "{" in level else level for level in text.split("/"))

    def names_of(self, filter: str) -> dict[str, str] | None:
        """The names that all topics share which `filter` matches; None unless all of them are of this pattern."""
        names: dict[str, str] = {}
        levels, asked = self.text.split("/"), filter.split("/")
        for i, level in enumerate(levels):
            if i < len(asked) and asked[i] == "#":
                return names if all(_PLACEHOLDER.fullmatch(rest) for rest in levels[i:]) else None
            if i >= len(asked):
                return None
            if asked[i] == "+":
                if not _PLACEHOLDER.fullmatch(level):
                    return None
                continue
            found = Pattern(level).read(asked[i])
            if found is None:
                return None
            names |= found
        return names if len(levels) == len(asked) else None

    def write(self, names: Mapping[str, str]) -> str:
        """The pattern with `names` in place of its placeholders. Raises KeyError when one is missing."""
        return _PLACEHOLDER.sub(lambda found: names[found[1]], self.text)


def covers(wide: str, narrow: str) -> bool:
    """Whether every topic that the filter `narrow` matches is matched by the filter `wide` too."""
    wide_levels, narrow_levels = wide.split("/"), narrow.split("/")
    for i, level in enumerate(wide_levels):
        if level == "#":
            return True
        if i >= len(narrow_levels) or narrow_levels[i] == "#":
            return False
        if level != "+" and level != narrow_levels[i]:
            return False
    return len(wide_levels) == len(narrow_levels)


def widest(filters: list[str]) -> list[str]:
    """`filters` without those that another one covers, so that a broker has no reason to send a message twice."""
    unique = list(dict.fromkeys(filters))
    return [f for f in unique if not any(covers(other, f) for other in unique if other != f)]
