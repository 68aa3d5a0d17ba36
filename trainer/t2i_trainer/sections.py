"""Options as frozen dataclasses whose fields carry their help and range, read from a section of the parameters."""

import dataclasses
import difflib
import json
import math
import types
import typing
from typing import Any, TypeVar

from .stage import Issue

T = TypeVar("T")


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


def read_section(cls: type[T], name: str, given: dict[str, Any]) -> tuple[T | None, list[Issue]]:
    """The section `name` of the parameters as a `cls`, or None and everything that is wrong with its values."""
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    issues, values = [], {}
    for key, value in given.items():
        if key not in fields:
            close = difflib.get_close_matches(key, fields, 1) or sorted(fields)
            issues.append(Issue(f"{name}.{key}", f"a known option, perhaps {', '.join(close)}", "an unknown one"))
        elif not _is(value, hints[key]):
            issues.append(Issue(f"{name}.{key}", _type_words(hints[key]), json.dumps(value)))
        elif words := outside(value, fields[key].metadata):
            issues.append(Issue(f"{name}.{key}", words, json.dumps(value)))
        else:
            values[key] = _as(value, hints[key])
    return (None if issues else cls(**values)), issues


def _choices(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def _is(value: object, hint: Any) -> bool:
    for one in _choices(hint):
        if typing.get_origin(one) is tuple:
            if isinstance(value, list | tuple) and all(_is(part, typing.get_args(one)[0]) for part in value):
                return True
        elif one is float:
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                return True
        elif isinstance(value, one) and (one is bool or not isinstance(value, bool)):
            return True
    return False


def _as(value: Any, hint: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return float(value) if float in _choices(hint) and isinstance(value, int) else value


_WORDS = {float: "a number", int: "an integer", bool: "true or false", str: "a text", types.NoneType: "nothing"}


def _type_words(hint: Any) -> str:
    parts = [
        f"a list, each part {_WORDS[typing.get_args(one)[0]]}" if typing.get_origin(one) is tuple else _WORDS[one]
        for one in _choices(hint)
    ]
    return " or ".join(parts)


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
