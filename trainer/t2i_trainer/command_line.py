"""The command line of a script, from a dataclass of options: its fields are the flags, and what they say of themselves
is the help."""

import argparse
import dataclasses
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .sections import described, outside

T = TypeVar("T")


def required(help: str) -> Any:
    """A field that has to be given."""
    return dataclasses.field(metadata=described(help))


def pairs(help: str, parse: Callable[[str], tuple[str, Any]], metavar: str, **default: Any) -> Any:
    """A field of values by name, each given as one text, such as `fast=6`, that `parse` takes apart."""
    metadata = {**described(help), "parse": parse, "metavar": metavar}
    return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)


def read_options(cls: type[T], description: str | None, arguments: list[str] | None = None) -> T:
    """The options on the command line. Ends the program, as argparse does, with what is wrong with them."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    hints = typing.get_type_hints(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    for field in fields:
        _add(parser, field, hints[field.name])
    # A flag that is not given leaves the field its default.
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    for field in fields:
        if (value := given.get(field.name)) is None:
            continue
        if "parse" in field.metadata:
            given[field.name] = dict(value)
        elif isinstance(value, list):
            given[field.name] = tuple(value)
        if words := outside(given[field.name], field.metadata):
            parser.error(f"{_flag(field)}: expected {words}, received {value}")
    return cls(**given)


def recorded(options: Any, *without: str) -> dict[str, Any]:
    """The options as a record of a run holds them, paths as text."""
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(options).items()
        if name not in without
    }


def _flag(field: dataclasses.Field[Any]) -> str:
    return f"--{field.name.replace('_', '-')}"


def _add(parser: argparse.ArgumentParser, field: dataclasses.Field[Any], hint: Any) -> None:
    metadata, missing = field.metadata, dataclasses.MISSING
    help = metadata["help"] if field.default in (missing, None, False, ()) else f"{metadata['help']} ({field.default})"
    if hint is bool:
        parser.add_argument(_flag(field), action="store_true", default=None, help=help)
        return
    needed = field.default is missing and field.default_factory is missing
    settings: dict[str, Any] = {"required": needed, "help": help.replace("%", "%%")}
    if "parse" in metadata:
        settings |= {"nargs": "+", "action": "extend", "type": metadata["parse"], "metavar": metadata["metavar"]}
    else:
        settings |= {"type": _kind(hint), "choices": metadata.get("choices") or None}
        if typing.get_origin(hint) is tuple:
            settings["nargs"] = "*"
    parser.add_argument(_flag(field), **settings)


def _kind(hint: Any) -> Any:
    """What a text is made of: the type of a part of a tuple, and that beside None."""
    if isinstance(hint, types.UnionType):
        [hint] = [part for part in typing.get_args(hint) if part is not types.NoneType]
    return typing.get_args(hint)[0] if typing.get_origin(hint) is tuple else hint
