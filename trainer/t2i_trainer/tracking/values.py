"""Parameters as MLflow takes them: text by dotted names."""

import json
from collections.abc import Mapping
from typing import Any


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """`{"unet": {"layers": [1, 2]}}` as `{"unet.layers": "[1, 2]"}`: text as it is, everything else as JSON."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value if isinstance(value, str) else json.dumps(value)
    return flat


def cut(values: dict[str, str], length: int) -> tuple[dict[str, str], list[str]]:
    """The values, each at most `length` characters long, and the names of those that were longer."""
    return {name: value[:length] for name, value in values.items()}, [
        name for name, value in values.items() if len(value) > length
    ]
