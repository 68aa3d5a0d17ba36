"""Options as frozen dataclasses whose fields carry their help and range."""

import dataclasses
import typing
from typing import Any


def described(text: str) -> dict[str, str]:
    """The metadata of a field that needs a help text and no range."""
    return {"help": text}


def option(
    default: Any,
    help: str,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field of an options dataclass. Its value, and each one of a list, is at least `least`, at most `most`, more
    than `above`, less than `below`, or one of `choices`."""
    limits = {"least": least, "most": most, "above": above, "below": below, "choices": choices}
    return dataclasses.field(default=default, metadata={"help": help, **limits})


def outside(value: Any, limits: typing.Mapping[str, Any]) -> str | None:
    """What was expected where a value, or a part of a list, is outside its limits; without limits nothing is."""
    parts = [part for part in (value if isinstance(value, list | tuple) else [value]) if part is not None]
    if limits.get("choices"):
        return None if all(part in limits["choices"] for part in parts) else f"one of {', '.join(limits['choices'])}"
    tests = (
        ("least", "at least", lambda part, limit: part >= limit),
        ("most", "at most", lambda part, limit: part <= limit),
        ("above", "more than", lambda part, limit: part > limit),
        ("below", "less than", lambda part, limit: part < limit),
    )
    bounds = [(words, limits[key], holds) for key, words, holds in tests if limits.get(key) is not None]
    if all(holds(part, limit) for part in parts for _, limit, holds in bounds):
        return None
    return " and ".join(f"{words} {limit:g}" for words, limit, _ in bounds)
